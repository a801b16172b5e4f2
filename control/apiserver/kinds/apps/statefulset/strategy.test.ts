import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatefulSet, StatefulSetSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { defaultedTemplate, labels, template } from '../../template.testing.ts';
import { statefulSetKind } from './strategy.ts';

const { strategy } = statefulSetKind;
const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
} as unknown as NonNullable<StatefulSetSpec['volumeClaimTemplates']>[number];
const statefulSet = (spec: Partial<StatefulSetSpec> = {}): StatefulSet => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: systemMeta('web', 'ns'),
  spec: { selector: { matchLabels: labels }, template, ...spec },
});
const stored = async (spec?: Partial<StatefulSetSpec>): Promise<StatefulSet> =>
  (await create(strategy, statefulSet(spec))).object;
const forbidden =
  "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

describe('stateful sets', () => {
  it('get what upstream fills in', async () => {
    const { object, errors } = await create(strategy, statefulSet({ volumeClaimTemplates: [claim] }));
    assert.deepEqual(errors, []);
    assert.deepEqual(object, {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { ...systemMeta('web', 'ns'), generation: 1 },
      spec: {
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        podManagementPolicy: 'OrderedReady',
        replicas: 1,
        revisionHistoryLimit: 10,
        selector: { matchLabels: labels },
        template: defaultedTemplate,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
        volumeClaimTemplates: [
          {
            ...claim,
            spec: { ...claim.spec, volumeMode: 'Filesystem' },
            status: { phase: 'Pending' },
          },
        ],
      },
      status: { replicas: 0, availableReplicas: 0 },
    });
  });

  it('lose maxUnavailable, whose gate is off, and leave OnDelete without numbers', async () => {
    const { updateStrategy } = (await stored({ updateStrategy: { rollingUpdate: { partition: 3, maxUnavailable: 2 } } })).spec;
    assert.deepEqual(updateStrategy, { type: 'RollingUpdate', rollingUpdate: { partition: 3 } });
    assert.deepEqual((await stored({ updateStrategy: { type: 'OnDelete' } })).spec.updateStrategy, { type: 'OnDelete' });
  });

  const dns =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  for (const [what, spec, ...expected] of [
    [
      'unknown policies',
      { podManagementPolicy: 'Random', persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Keep' } },
      `spec.podManagementPolicy: Invalid value: "Random": must be 'OrderedReady' or 'Parallel'`,
      'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": supported values: "Retain", "Delete"',
    ],
    [
      'an unknown strategy',
      { updateStrategy: { type: 'Never' } },
      `spec.updateStrategy: Invalid value: {"Type":"Never","RollingUpdate":null}: must be 'RollingUpdate' or 'OnDelete'`,
    ],
    [
      'numbers for OnDelete',
      { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
      `spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy 'RollingUpdate'`,
    ],
    [
      'negative numbers',
      { replicas: -1, minReadySeconds: -2, ordinals: { start: -3 }, updateStrategy: { rollingUpdate: { partition: -4 } } },
      'spec.updateStrategy.rollingUpdate.partition: Invalid value: -4: must be greater than or equal to 0',
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
      'spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0',
      'spec.ordinals.start: Invalid value: -3: must be greater than or equal to 0',
    ],
    ['a service that cannot be', { serviceName: 'A.b' }, `spec.serviceName: Invalid value: "A.b": ${dns}`],
    [
      'no selector',
      { selector: undefined },
      'spec.selector: Required value',
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    ['an empty selector', { selector: {} }, 'spec.selector: Invalid value: {}: empty selector is invalid for statefulset'],
    [
      'an unknown operator',
      { selector: { matchExpressions: [{ key: 'app', operator: 'Like' }] } },
      'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
      'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Like"}]}',
    ],
    [
      'claims of nothing',
      { volumeClaimTemplates: [{ ...claim, spec: {} }] },
      'spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required',
      'spec.volumeClaimTemplates[0].spec.resources[storage]: Required value',
    ],
    [
      'pods that end',
      { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never', activeDeadlineSeconds: 5 } } },
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported',
    ],
  ] as [string, Partial<StatefulSetSpec>, ...string[]][]) {
    it(`refuse ${what}`, () => rejects(strategy, statefulSet(spec), ...expected));
  }

  it('take volumes from their claims, and do not look at names that each pod gets of its own', () =>
    rejects(
      strategy,
      statefulSet({
        volumeClaimTemplates: [claim],
        template: {
          ...template,
          spec: {
            containers: [{ name: 'c', image: 'x', volumeMounts: [{ name: 'data', mountPath: '/d' }] }],
            subdomain: 'Not valid',
            hostname: 'Not valid',
          },
        },
      }),
    ));

  it('have names that fit into host names', () =>
    rejects(
      strategy,
      { ...statefulSet(), metadata: systemMeta('a.b', 'ns') },
      'metadata.name: Invalid value: "a.b": must not contain dots',
    ));

  it('change only what may change', async () => {
    const old = await stored({ serviceName: 'svc', volumeClaimTemplates: [claim] });
    const allowed = await update(strategy, old, ({ spec }) => {
      spec.replicas = 3;
      spec.ordinals = { start: 1 };
      spec.minReadySeconds = 1;
      spec.revisionHistoryLimit = 1;
      spec.updateStrategy = { type: 'OnDelete' };
      spec.persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Delete' };
      spec.template.spec = { containers: [{ name: 'c', image: 'nginx:2' }] };
    });
    assert.deepEqual([allowed.errors, allowed.object.metadata.generation], [[], 2]);
    for (const change of [
      (spec: StatefulSetSpec) => void (spec.serviceName = 'other'),
      (spec: StatefulSetSpec) => void (spec.podManagementPolicy = 'Parallel'),
      (spec: StatefulSetSpec) => void delete spec.volumeClaimTemplates,
    ]) {
      const { errors } = await update(strategy, old, ({ spec }) => change(spec));
      assert.deepEqual(errors, [forbidden]);
    }
  });

  it('refuse counts that do not add up', async () => {
    const { errors } = await update(
      strategy,
      await stored(),
      (changed) => {
        changed.status = { replicas: 1, currentReplicas: 2, readyReplicas: 0, availableReplicas: 1, updatedReplicas: -1 };
      },
      'status',
    );
    assert.deepEqual(errors, [
      'status.updatedReplicas: Invalid value: -1: must be greater than or equal to 0',
      'status.currentReplicas: Invalid value: 2: cannot be greater than status.replicas',
      'status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas',
    ]);
  });

  it('warn of half bytes and of a history without end', async () => {
    const half = { ...claim, spec: { ...claim.spec, resources: { requests: { storage: '1500m' } } } };
    const object = await stored({ volumeClaimTemplates: [half], revisionHistoryLimit: -1 });
    const size = 'fractional byte value "1500m" is invalid, must be an integer';
    const history = 'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended';
    assert.deepEqual(strategy.warnings?.(object, undefined), [
      `spec.volumeClaimTemplates[0].resources.requests[storage]: ${size}`,
      history,
    ]);
    assert.deepEqual(strategy.warnings?.(object, object), [
      `spec.volumeClaimTemplates[0].Spec.resources.requests[storage]: ${size}`,
      history,
    ]);
  });
});
