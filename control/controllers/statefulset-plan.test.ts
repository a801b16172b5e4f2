import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PersistentVolumeClaim, Pod, StatefulSet, StatefulSetSpec } from '#api/types.generated.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { claimOwners, claimsOf, waitsForClaims } from './statefulset-claims.ts';
import { completed, planStatefulSet, type StatefulPlan, type StatefulStep } from './statefulset-plan.ts';
import { parentAndOrdinal } from './statefulset-pods.ts';

const nowMs = Date.UTC(2026, 0, 2);
const at = (secondsAgo: number): string => new Date(nowMs - secondsAgo * 1000).toISOString();
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'c:1' }] } };

function set(replicas: number, more: Partial<StatefulSetSpec> = {}, currentReplicas = replicas): StatefulSet {
  const meta = { name: 'web', namespace: 'ns', uid: 'web', resourceVersion: '1', creationTimestamp: at(500), generation: 2 };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: meta,
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template,
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      ...more,
    },
    status: { replicas, currentReplicas },
  };
}

/** `ready`, `pending`, `failed`, `new` (ready for 1 s), `going`; `old` and `lost` (no labels of identity) are ready. */
type Sketch = 'ready' | 'pending' | 'failed' | 'new' | 'going' | 'old' | 'lost';

function pod(ordinal: number, how: Sketch): Pod {
  const name = `web-${ordinal}`;
  const isReady = how !== 'pending' && how !== 'failed';
  const phase = how === 'pending' ? 'Pending' : how === 'failed' ? 'Failed' : 'Running';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'ns',
      uid: `uid-${ordinal}`,
      resourceVersion: '1',
      creationTimestamp: at(200),
      labels: {
        app: 'web',
        'controller-revision-hash': how === 'old' ? 'web-r1' : 'web-r2',
        ...(how === 'lost' ? {} : { 'statefulset.kubernetes.io/pod-name': name }),
      },
      ...(how === 'going' ? { deletionTimestamp: at(0) } : {}),
    },
    spec: { containers: [] },
    status: {
      phase,
      conditions: isReady ? [{ type: 'Ready', status: 'True', lastTransitionTime: at(how === 'new' ? 1 : 100) }] : [],
    },
  };
}

const current = { name: 'web-r1', template };
const update = { name: 'web-r2', template };
const plan = (of: StatefulSet, pods: Pod[]): StatefulPlan =>
  planStatefulSet({ set: of, pods, current, update, claims: () => undefined, nowMs });
const text = (step: StatefulStep): string => `${step.do} ${step.pod.metadata.name}`;
const steps = ({ phases, outdated }: StatefulPlan): string[] => [
  ...phases.flat(2).map(text),
  ...(outdated === undefined ? [] : [`outdated ${outdated.metadata.name}`]),
];

describe('StatefulSet plan', () => {
  const parallel = { podManagementPolicy: 'Parallel' };
  const onDelete = { updateStrategy: { type: 'OnDelete' } };
  const partition = (from: number) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: from } } });
  const cases: [string, StatefulSet, Sketch[], string[]][] = [
    ['creates the first pod', set(3), [], ['create web-0']],
    ['creates the next when the one before is ready', set(3), ['ready'], ['create web-1']],
    ['waits for a pod that is not ready', set(3), ['pending'], ['createClaims web-0']],
    ['waits for a pod that is being deleted', set(3), ['going'], []],
    ['waits for a pod that is not available', set(3, { minReadySeconds: 10 }), ['new'], []],
    ['waits no longer than it must', set(3, { minReadySeconds: 10 }), ['ready'], ['create web-1']],
    ['deletes a failed pod', set(3), ['failed', 'ready'], ['delete web-0']],
    ['deletes the highest of too many', set(1), ['ready', 'ready', 'ready'], ['delete web-2']],
    ['deletes no second one while one goes', set(1), ['ready', 'ready', 'going'], []],
    ['deletes nothing while a wanted pod is not ready', set(1), ['pending', 'ready'], ['createClaims web-0']],
    ['deletes the first unhealthy one of too many', set(0), ['pending'], ['delete web-0']],
    ['deletes no unhealthy one above another', set(0), ['pending', 'pending'], []],
    ['repairs labels of identity', set(1), ['lost'], ['fixPod web-0']],
    ['updates the highest pod', set(3), ['old', 'old', 'old'], ['outdated web-2']],
    ['updates the next when all above are available', set(3), ['old', 'old', 'ready'], ['outdated web-1']],
    ['updates nothing while one above is not available', set(3, { minReadySeconds: 10 }), ['old', 'old', 'new'], []],
    ['updates nothing below the partition', set(3, partition(2)), ['old', 'old', 'ready'], []],
    ['updates nothing with OnDelete', set(3, onDelete), ['old', 'old', 'old'], []],
    ['creates all at once in parallel', set(3, parallel), ['pending'], ['createClaims web-0', 'create web-1', 'create web-2']],
    [
      'deletes all at once in parallel',
      set(1, parallel),
      ['ready', 'pending', 'going', 'ready'],
      ['delete web-3', 'delete web-1'],
    ],
    ['updates one at a time in parallel', set(2, parallel), ['old', 'old'], ['outdated web-1']],
    [
      'does nothing while it is being deleted',
      { ...set(3), metadata: { ...set(3).metadata, deletionTimestamp: at(1) } },
      ['ready'],
      [],
    ],
  ];
  it('looks at a few hundred missing pods at a time, however many are wanted', () => {
    const billions = 2 ** 31 - 1;
    assert.deepEqual(steps(plan(set(billions), [])), ['create web-0']);
    const all = steps(plan(set(billions, parallel), [pod(0, 'ready'), pod(2, 'old')]));
    assert.equal(all.length, 500);
    assert.deepEqual(all.slice(0, 2), ['create web-1', 'create web-3']);
  });

  for (const [name, of, sketches, expected] of cases) {
    it(name, () => {
      const pods = sketches.map((how, ordinal) => pod(ordinal, how));
      assert.deepEqual(
        steps(plan(of, pods)).filter((step) => of.spec.podManagementPolicy !== 'Parallel' || !step.startsWith('fixPod')),
        expected,
      );
    });
  }

  it('scales thousands of pods down in a moment', () => {
    const pods = Array.from({ length: 10_000 }, (_, ordinal) => pod(ordinal, 'ready'));
    const startMs = cpuMs();
    assert.equal(steps(plan(set(0, { podManagementPolicy: 'Parallel' }), pods)).length, 10_000);
    assert.ok(cpuMs() - startMs < 5000, `${cpuMs() - startMs} ms`);
  });

  it('makes pods below the partition from the former revision', () => {
    const made = plan(set(3, { ...partition(2), ...parallel }), []).phases[0]?.flat() ?? [];
    assert.deepEqual(
      made.map(({ pod: { metadata } }) => [metadata.name, metadata.labels?.['controller-revision-hash']]),
      [
        ['web-0', 'web-r1'],
        ['web-1', 'web-r1'],
        ['web-2', 'web-r2'],
      ],
    );
  });

  it('begins at the first ordinal', () => {
    const made = plan(set(2, { ordinals: { start: 5 }, ...parallel }), [pod(0, 'ready')]);
    assert.deepEqual(steps(made), ['create web-5', 'create web-6', 'delete web-0']);
  });

  it('counts', () => {
    const pods = [pod(0, 'old'), pod(1, 'new'), pod(2, 'pending'), pod(3, 'going')];
    const { status } = plan(set(4, { minReadySeconds: 10 }), pods);
    assert.deepEqual(status, {
      observedGeneration: 2,
      collisionCount: 0,
      currentRevision: 'web-r1',
      updateRevision: 'web-r2',
      replicas: 4,
      readyReplicas: 3,
      availableReplicas: 2,
      currentReplicas: 1,
      updatedReplicas: 2,
    });
  });

  it('is complete when all are of the new revision and ready', () => {
    const { status } = plan(set(2), [pod(0, 'ready'), pod(1, 'ready')]);
    assert.deepEqual([status.currentRevision, status.currentReplicas], ['web-r1', 0]);
    const after = completed(set(2), status);
    assert.deepEqual([after.currentRevision, after.currentReplicas], ['web-r2', 2]);
    assert.equal(completed(set(3), status).currentRevision, 'web-r1');
  });
});

describe('the name of a pod', () => {
  for (const [name, parent, ordinal] of [
    ['web-0', 'web', 0],
    ['a-b-12', 'a-b', 12],
    ['web', '', -1],
    ['web-x', '', -1],
    ['web-2147483648', 'web', -1],
  ] as const)
    it(name, () => assert.deepEqual(parentAndOrdinal(name), { parent, ordinal }));
});

describe('the claims of a pod', () => {
  const claimTemplate = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', labels: { mine: 'x' } },
    spec: { accessModes: ['ReadWriteOnce'] },
  } as unknown as PersistentVolumeClaim;
  const withPolicy = (replicas: number, whenDeleted: string, whenScaled: string): StatefulSet =>
    set(replicas, {
      volumeClaimTemplates: [claimTemplate],
      persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled },
    });
  const reference = (kind: string, name: string, uid: string, controller = true) => ({
    apiVersion: kind === 'Pod' ? 'v1' : 'apps/v1',
    kind,
    name,
    uid,
    controller,
    blockOwnerDeletion: true,
  });
  const mySet = reference('StatefulSet', 'web', 'web');
  const myPod = reference('Pod', 'web-0', 'uid-0');
  const other = reference('Other', 'x', 'x');
  const claim = (...ownerReferences: object[]): PersistentVolumeClaim =>
    ({ ...claimTemplate, metadata: { ...claimTemplate.metadata, name: 'data-web-0', ownerReferences } }) as PersistentVolumeClaim;

  it('have the name of template and pod, and the labels of the selector', () => {
    const [made] = claimsOf(withPolicy(1, 'Retain', 'Retain'), 4);
    assert.deepEqual(made?.metadata, { name: 'data-web-4', namespace: 'ns', labels: { mine: 'x', app: 'web' } });
  });

  for (const [name, of, owners, expected] of [
    ['nobody owns what is retained', withPolicy(1, 'Retain', 'Retain'), [], undefined],
    ['what is retained is let go', withPolicy(1, 'Retain', 'Retain'), [mySet], []],
    ['the set owns what goes with it', withPolicy(1, 'Delete', 'Retain'), [], [mySet]],
    ['and keeps it', withPolicy(1, 'Delete', 'Retain'), [mySet], undefined],
    ['a wanted pod owns nothing', withPolicy(1, 'Retain', 'Delete'), [myPod], []],
    ['a pod that is scaled down owns its claims', withPolicy(0, 'Retain', 'Delete'), [], [myPod]],
    ['instead of the set', withPolicy(0, 'Delete', 'Delete'), [mySet], [myPod]],
    ['which gets them back', withPolicy(1, 'Delete', 'Delete'), [myPod], [mySet]],
    ['an owner that is no controller becomes one', withPolicy(1, 'Delete', 'Retain'), [{ ...mySet, controller: false }], [mySet]],
    ["another controller's claims are left alone", withPolicy(1, 'Delete', 'Retain'), [other], undefined],
    ['and given to it alone', withPolicy(1, 'Delete', 'Retain'), [other, mySet], [other]],
    ["a former set's claims are left alone", withPolicy(1, 'Delete', 'Retain'), [{ ...mySet, uid: 'former' }], undefined],
    ["a former pod's claims are left alone", withPolicy(0, 'Retain', 'Delete'), [{ ...myPod, uid: 'former' }], undefined],
  ] as const)
    it(name, () => assert.deepEqual(claimOwners(claim(...owners), of, pod(0, 'ready')), expected));

  it('keep a pod waiting while they go with the former one', () => {
    const fresh = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-0' } };
    assert.equal(
      waitsForClaims(withPolicy(1, 'Retain', 'Delete'), fresh, () => claim(myPod)),
      true,
    );
    assert.equal(
      waitsForClaims(withPolicy(1, 'Retain', 'Retain'), fresh, () => claim(myPod)),
      false,
    );
    assert.equal(
      waitsForClaims(withPolicy(1, 'Retain', 'Delete'), fresh, () => claim()),
      false,
    );
    assert.equal(
      waitsForClaims(withPolicy(1, 'Retain', 'Delete'), fresh, () => undefined),
      false,
    );
  });
});
