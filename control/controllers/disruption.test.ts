/**
 * Disruption budgets with their controller and the eviction API, in one cluster. With what upstream's conformance tests of
 * `test/e2e/apps/disruption.go` look at.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { ApiError } from '#api/status.ts';
import type { OwnerReference, Pod, PodDisruptionBudget, PodDisruptionBudgetSpec } from '#api/types.generated.ts';
import { gadgetRow, gadgets } from '#control/apiserver/gadgets.testing.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';
import { staleInMs } from './disruption.ts';

const labels = { foo: 'bar' };
const selector = { matchLabels: labels };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };

describe('disruption budgets', { timeout: 300_000 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await world.addNode('n1');
  });
  after(() => world.stop());
  afterEach(async () => {
    world.play = () => 'ready';
    const { client } = world;
    const at = { namespace: 'default' };
    const background = { propagationPolicy: 'Background' };
    for (const id of [
      'replicasets.apps',
      'deployments.apps',
      'statefulsets.apps',
      'replicationcontrollers',
      'jobs.batch',
    ] as const)
      await client.resource(id).deleteCollection(at, background);
    await budgets().deleteCollection(at);
    await client.resource('pods').deleteCollection(at, { gracePeriodSeconds: 0 });
    await world.until('an empty namespace', async () => (await podList()).length === 0, 120);
  });

  const budgets = () => world.client.resource('poddisruptionbudgets.policy');
  const get = (name = 'b'): Promise<PodDisruptionBudget> => budgets().get({ namespace: 'default', name });
  const podList = async (): Promise<Pod[]> => (await world.client.resource('pods').list({ namespace: 'default' })).items;

  /** Resolves when the controller has seen it. */
  async function guard(spec: PodDisruptionBudgetSpec, name = 'b', namespace = 'default'): Promise<void> {
    const metadata = { name, namespace, labels: { special: 'yes' } };
    await budgets().create({ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, spec: { selector, ...spec } });
    await observed(name, namespace);
  }
  async function observed(name = 'b', namespace = 'default'): Promise<void> {
    await world.until('the controller to look', async () => {
      const { metadata, status } = await budgets().get({ namespace, name });
      return status?.observedGeneration === metadata.generation;
    });
  }
  async function change(spec: object): Promise<void> {
    await budgets().patch({ namespace: 'default', name: 'b' }, { type: 'merge', body: { spec } as never });
    await observed();
  }
  async function podsOnTheirOwn(count: number, more: object = {}): Promise<void> {
    for (let index = 0; index < count; index++) {
      const metadata = { name: `pod-${index}`, namespace: 'default', labels, ...more };
      await world.client.resource('pods').create({ apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec });
    }
  }
  async function replicaSet(replicas: number): Promise<void> {
    const metadata = { name: 'rs', namespace: 'default' };
    const spec = { replicas, selector, template };
    await world.client.resource('replicasets.apps').create({ apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata, spec });
  }
  async function ready(count: number): Promise<Pod> {
    return await world.until(`${count} ready pods`, async () => {
      const found = (await podList()).filter(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined &&
          status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      );
      return found.length >= count && found[0];
    });
  }
  /** What the budget says once it says so, as `current/desired/expected allowed`. */
  async function says(text: string, name = 'b'): Promise<PodDisruptionBudget> {
    return await world.until(`${name} to say ${text}`, async () => {
      const found = await get(name);
      const { currentHealthy, desiredHealthy, expectedPods, disruptionsAllowed } = found.status ?? {};
      return `${currentHealthy}/${desiredHealthy}/${expectedPods} ${disruptionsAllowed}` === text && found;
    });
  }
  /** Undefined: done. */
  async function evict({ metadata: { name, namespace } }: Pod): Promise<ApiError['status'] | undefined> {
    const body = JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } });
    const answer = await world.client.raw({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(body),
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    const status = JSON.parse(Buffer.concat(chunks).toString()) as ApiError['status'];
    return status.status === 'Success' ? undefined : status;
  }
  const isRefused = (status: ApiError['status'] | undefined): boolean =>
    status?.code === 429 && status.details?.causes?.[0]?.reason === 'DisruptionBudget';
  async function eventsAbout(uid: string): Promise<string[]> {
    await world.rest();
    const { items } = await world.client.resource('events').list({ namespace: 'default' });
    return items
      .filter(({ involvedObject, source }) => involvedObject.uid === uid && source?.component === 'controllermanager')
      .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
  }

  it('are listed over all namespaces and deleted as a collection', async () => {
    await world.client
      .resource('namespaces')
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'another' }, spec: {} });
    await guard({ minAvailable: 2 }, 'one');
    await guard({ minAvailable: '1%' }, 'two');
    await guard({ minAvailable: 2 }, 'three', 'another');
    const names = async (namespace?: string): Promise<string[]> =>
      (await budgets().list({ namespace, labelSelector: 'special=yes' })).items.map(({ metadata }) => metadata.name).sort();
    assert.deepEqual(
      [await names(), await names('default')],
      [
        ['one', 'three', 'two'],
        ['one', 'two'],
      ],
    );
    await budgets().deleteCollection({ namespace: 'default' });
    assert.deepEqual([await names(), await names('default')], [['three'], []]);
  });

  it('are created, updated, patched and deleted', async () => {
    await guard({ minAvailable: '1%' });
    const created = await get();
    const updated = await budgets().update({ ...created, spec: { ...created.spec, minAvailable: '2%' } });
    assert.deepEqual([updated.spec.minAvailable, updated.metadata.generation], ['2%', 2]);
    const { resourceVersion: _, ...metadata } = updated.metadata;
    const unconditional = { ...updated, metadata } as PodDisruptionBudget;
    await assert.rejects(
      budgets().update(unconditional),
      /metadata\.resourceVersion: Invalid value: 0: must be specified for an update/,
    );
    await change({ minAvailable: '3%' });
    const patched = await get();
    assert.equal(patched.spec.minAvailable, '3%');
    assert.ok(BigInt(patched.metadata.resourceVersion) > BigInt(updated.metadata.resourceVersion));
    await budgets().delete({ namespace: 'default', name: 'b' });
    await assert.rejects(get(), /poddisruptionbudgets\.policy "b" not found/);
  });

  it('tell how many pods may go, and that there are none', async () => {
    await guard({ minAvailable: 1 });
    const { status, metadata } = await says('0/1/0 0');
    assert.deepEqual(
      status?.conditions?.map(({ type, status: is, reason }) => [type, is, reason]),
      [['DisruptionAllowed', 'False', 'InsufficientPods']],
    );
    assert.deepEqual(await eventsAbout(metadata.uid), ['Normal NoPods: No matching pods found']);
    await podsOnTheirOwn(3);
    const { status: later } = await says('3/1/3 2');
    assert.equal(later?.conditions?.[0]?.reason, 'SufficientPods');
  });

  it('have a status that clients update and patch', async () => {
    await guard({ minAvailable: 1 });
    await podsOnTheirOwn(1);
    await says('1/1/1 0');
    const current = await get();
    const disruptedPods = { 'pod-0': '2026-01-01T00:00:00Z' };
    const updated = await budgets().updateStatus({ ...current, status: { ...current.status, disruptedPods } });
    assert.deepEqual(updated.status?.disruptedPods, disruptedPods);
    const patched = await budgets().patch(
      { namespace: 'default', name: 'b' },
      { type: 'merge', body: { status: { disruptedPods: null } } },
      { subresource: 'status' },
    );
    assert.deepEqual(patched.status?.disruptedPods ?? {}, {});
  });

  const evictions: [what: string, spec: PodDisruptionBudgetSpec | undefined, pods: number, replicas: number, allowed: boolean][] =
    [
      ['no budget', undefined, 1, 0, true],
      ['too few pods', { minAvailable: 2 }, 2, 0, false],
      ['enough pods', { minAvailable: 2 }, 3, 0, true],
      ['enough pods of a ReplicaSet, as a percentage', { minAvailable: '90%' }, 0, 10, true],
      ['one of ten may be unavailable, as a percentage', { maxUnavailable: '10%' }, 0, 10, true],
    ];
  for (const [what, spec, pods, replicas, allowed] of evictions)
    it(`${allowed ? 'allow' : 'do not allow'} an eviction: ${what}`, async () => {
      await podsOnTheirOwn(pods);
      if (replicas > 0) await replicaSet(replicas);
      if (spec !== undefined) await guard(spec);
      const pod = await ready(pods + replicas);
      if (allowed) await world.until('the eviction', async () => (await evict(pod)) === undefined);
      else assert.equal(isRefused(await evict(pod)), true);
    });

  for (const [what, spec] of [
    ['minAvailable', { minAvailable: '90%' }],
    ['maxUnavailable', { maxUnavailable: 1 }],
  ] as const)
    it(`count the pods that a ReplicaSet should have: ${what}`, async () => {
      world.play = ({ metadata }) => (metadata.name.charCodeAt(metadata.name.length - 1) % 2 === 0 ? 'ready' : 'pending');
      await replicaSet(10);
      await guard(spec);
      const pod = await ready(1);
      assert.equal(isRefused(await evict(pod)), true);
      const { status } = await get();
      assert.deepEqual([status?.desiredHealthy, status?.expectedPods, status?.disruptionsAllowed], [9, 10, 0]);
    });

  it('block an eviction until they are changed, and again, and until they are deleted', async () => {
    await guard({ minAvailable: 3 });
    await replicaSet(3);
    await says('3/3/3 0');
    const first = await ready(3);
    assert.equal(isRefused(await evict(first)), true);
    await change({ minAvailable: 2 });
    await says('3/2/3 1');
    assert.equal(await evict(first), undefined);
    await change({ minAvailable: null, maxUnavailable: 0 });
    const second = await ready(3);
    assert.equal(isRefused(await evict(second)), true);
    await budgets().delete({ namespace: 'default', name: 'b' });
    assert.equal(await evict(second), undefined);
  });

  const unhealthy: [policy: string | undefined, play: 'ready' | 'running', evicted: number][] = [
    [undefined, 'ready', 1],
    ['IfHealthyBudget', 'ready', 1],
    ['AlwaysAllow', 'ready', 1],
    [undefined, 'running', 0],
    ['IfHealthyBudget', 'running', 0],
    ['AlwaysAllow', 'running', 3],
  ];
  for (const [policy, play, evicted] of unhealthy)
    it(`let ${evicted} of three pods go that are ${play}: ${policy ?? 'no policy'}`, async () => {
      world.play = () => play;
      await guard({ maxUnavailable: 1, unhealthyPodEvictionPolicy: policy });
      await replicaSet(3);
      await world.until(
        'three pods that run',
        async () => (await podList()).filter(({ status }) => status?.phase === 'Running').length === 3,
      );
      await says(play === 'ready' ? '3/2/3 1' : '0/2/3 0');
      let gone = 0;
      for (const pod of await podList()) if ((await evict(pod)) === undefined) gone++;
      assert.equal(gone, evicted);
    });

  it('count a pod that was granted but stays as disrupted for two minutes', async () => {
    await guard({ minAvailable: 2 });
    await podsOnTheirOwn(3);
    const { status, ...rest } = await says('3/2/3 1');
    const time = new Date(Math.floor(world.clock.now() / 1000) * 1000).toISOString().replace('.000Z', 'Z');
    await budgets().updateStatus({ ...rest, status: { ...status, disruptedPods: { 'pod-0': time, gone: time } } });
    const { status: counted } = await says('2/2/3 0');
    assert.deepEqual(counted?.disruptedPods, { 'pod-0': time });
    await world.pass(100);
    assert.deepEqual((await get()).status?.disruptedPods, { 'pod-0': time });
    await world.pass(25);
    assert.deepEqual((await says('3/2/3 1')).status?.disruptedPods, undefined);
    const stayed = await world.client.resource('pods').get({ namespace: 'default', name: 'pod-0' });
    assert.deepEqual(await eventsAbout(stayed.metadata.uid), [
      "Warning NotDeleted: Pod was expected by PDB default/default to be deleted but it wasn't",
    ]);
  });

  it('know the scale of each kind of workload, Deployments through their ReplicaSets', async () => {
    const { client } = world;
    const metadata = (name: string) => ({ name, namespace: 'default' });
    const podsOf = (app: string) => ({
      replicas: 3,
      selector: { matchLabels: { app } },
      template: { metadata: { labels: { ...labels, app } }, spec: template.spec },
    });
    await client
      .resource('deployments.apps')
      .create({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: metadata('d'), spec: podsOf('d') });
    const { selector: set, ...stateful } = podsOf('s');
    await client.resource('statefulsets.apps').create({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: metadata('s'),
      spec: { ...stateful, selector: set, podManagementPolicy: 'Parallel' },
    });
    const { selector: _, ...controlled } = podsOf('r');
    await client.resource('replicationcontrollers').create({
      apiVersion: 'v1',
      kind: 'ReplicationController',
      metadata: metadata('r'),
      spec: { ...controlled, selector: { app: 'r' } },
    });
    await guard({ maxUnavailable: '50%' });
    await says('9/4/9 5');
    // What is scaled down by one has a pod less to miss.
    await client.resource('deployments.apps').patch(metadata('d'), { type: 'merge', body: { spec: { replicas: 2 } } });
    await says('8/4/8 4');
  });

  const owned = (owner: Partial<OwnerReference>): object => ({
    ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'u', controller: true, ...owner }],
  });

  it('ask other controllers for their scale, and allow nothing where there is none', async () => {
    await world.server.addKind({
      ...gadgets,
      resource: {
        ...gadgetRow,
        subresources: [{ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get'] }],
      },
      subresources: {
        scale: {
          carries: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
          handlers: {
            get: async ({ info }) => ({
              status: info.name === 'missing' ? 404 : 200,
              headers: { 'content-type': 'application/json' },
              body: (async function* () {
                const found = { kind: 'Scale', apiVersion: 'autoscaling/v1', metadata: { uid: 'g' }, spec: { replicas: 5 } };
                const lost = { kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404, message: 'gone' };
                yield Buffer.from(JSON.stringify(info.name === 'missing' ? lost : found));
              })(),
            }),
          },
        },
      },
    });
    const gadget = { apiVersion: 'example.com/v1', kind: 'Gadget' };
    const failures: [owner: Partial<OwnerReference>, message: string][] = [
      [{ ...gadget, name: 'missing', uid: 'm' }, 'found no controllers for pod "pod-0"'],
      [{ ...gadget, name: 'renewed', uid: 'former' }, 'found no controllers for pod "pod-0"'],
      [{ kind: 'Node', name: 'n1' }, 'nodes does not implement the scale subresource'],
      [{ apiVersion: 'batch/v1', kind: 'Job' }, 'jobs.batch does not implement the scale subresource'],
      [{ apiVersion: 'acme.io/v1', kind: 'Machine' }, 'no matches for kind "Machine" in version "acme.io/v1"'],
    ];
    await guard({ maxUnavailable: 1 });
    for (const [owner, message] of failures) {
      // Its own garbage collector would take a pod whose owner is not there.
      await podsOnTheirOwn(1, { ...owned(owner), finalizers: ['example.com/stay'] });
      const { status } = await world.until(message, async () => {
        const found = await get();
        return found.status?.conditions?.[0]?.message === message && found;
      });
      assert.deepEqual(
        [status?.conditions?.[0]?.status, status?.conditions?.[0]?.reason, status?.disruptionsAllowed],
        ['False', 'SyncFailed', 0],
      );
      await letGo();
    }
    const failed = `Warning CalculateExpectedPodCountFailed: Failed to calculate the number of expected pods: ${failures[0]?.[1]}`;
    assert.ok((await eventsAbout((await get()).metadata.uid)).includes(failed));
    await podsOnTheirOwn(1, { ...owned({ ...gadget, name: 'five', uid: 'g' }), finalizers: ['example.com/stay'] });
    await world.until('the scale', async () => {
      const { status } = await get();
      return status?.expectedPods === 5 && status.desiredHealthy === 4;
    });
    await letGo();
  });
  async function letGo(): Promise<void> {
    const name = { namespace: 'default', name: 'pod-0' };
    await world.client.resource('pods').patch(name, { type: 'merge', body: { metadata: { finalizers: null } } });
    await world.client
      .resource('pods')
      .delete(name, { gracePeriodSeconds: 0 })
      .catch(() => undefined);
    await world.until('no pods', async () => (await podList()).length === 0);
  }

  it('tell of pods without a controller, and of pods with several budgets', async () => {
    await guard({ maxUnavailable: 1 });
    await podsOnTheirOwn(2);
    const { metadata } = await says('2/0/0 0');
    assert.deepEqual(await eventsAbout(metadata.uid), [
      'Normal NoPods: No matching pods found',
      'Warning UnmanagedPods: Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{foo: bar,},MatchExpressions:[]LabelSelectorRequirement{},}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.',
    ]);
    await guard({ minAvailable: 1, selector: {} }, 'of-all');
    await says('2/1/2 1', 'of-all');
    const leaving = await world.client.resource('pods').get({ namespace: 'default', name: 'pod-1' });
    await world.client.resource('pods').delete({ namespace: 'default', name: 'pod-1' });
    await says('1/1/1 0', 'of-all');
    assert.match(
      (await eventsAbout(leaving.metadata.uid)).join('\n'),
      /Warning MultiplePodDisruptionBudgets: Pod "default"\/"pod-1" matches multiple PodDisruptionBudgets\.  Chose "(b|of-all)" arbitrarily\./,
    );
  });

  it('follow a pod whose labels change', async () => {
    await guard({ minAvailable: 1 });
    await podsOnTheirOwn(2);
    await says('2/1/2 1');
    const name = { namespace: 'default', name: 'pod-0' };
    await world.client.resource('pods').patch(name, { type: 'merge', body: { metadata: { labels: { foo: 'none' } } } });
    await says('1/1/1 0');
  });

  it('are written under the controller’s own name', async () => {
    await guard({ minAvailable: 1 });
    const { metadata } = await get();
    const status = metadata.managedFields?.find(({ subresource }) => subresource === 'status');
    assert.equal(status?.manager, 'kube-controller-manager');
  });

  it('leave no pod marked that nobody deleted', async () => {
    await podsOnTheirOwn(2);
    await ready(2);
    const mark = async (name: string, reason: string): Promise<void> => {
      const conditions = [{ type: 'DisruptionTarget', status: 'True', reason, lastTransitionTime: rfc(world.clock.now()) }];
      const patch = { type: 'strategic' as const, body: { status: { conditions } } };
      await world.client.resource('pods').patch({ namespace: 'default', name }, patch, { subresource: 'status' });
    };
    await mark('pod-0', 'PreemptionByScheduler');
    await mark('pod-1', 'TerminationByKubelet');
    const conditionOf = async (name: string) =>
      (await world.client.resource('pods').get({ namespace: 'default', name })).status?.conditions?.find(
        ({ type }) => type === 'DisruptionTarget',
      );
    await world.pass(115);
    assert.equal((await conditionOf('pod-0'))?.status, 'True');
    await world.pass(10);
    const { status, reason, lastTransitionTime, observedGeneration } = (await conditionOf('pod-0')) ?? {};
    assert.deepEqual([status, reason ?? '', observedGeneration], ['False', '', 1]);
    assert.ok(Math.abs(Date.parse(lastTransitionTime ?? '') - world.clock.now()) < 15_000);
    assert.equal((await conditionOf('pod-1'))?.status, 'True');
  });
});

const rfc = (nowMs: number): string => new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');

describe('a condition DisruptionTarget is stale', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const marked = (condition: object, more: Partial<Pod['metadata']> = {}, phase = 'Running'): Pod =>
    ({
      metadata: { name: 'p', ...more },
      status: { phase, conditions: [{ type: 'DisruptionTarget', status: 'True', ...condition }] },
    }) as unknown as Pod;
  const at = (seconds: number) => ({ lastTransitionTime: rfc(nowMs - seconds * 1000) });
  const cases: [what: string, pod: Pod, leftMs: number | undefined][] = [
    ['after two minutes', marked(at(30)), 90_000],
    ['from then on', marked(at(120)), 0],
    ['and later', marked(at(4000)), 0],
    ['at once without a time', marked({}), 0],
    ['never where the pod is being deleted', marked(at(4000), { deletionTimestamp: rfc(nowMs) }), undefined],
    ['never where the pod has ended', marked(at(4000), {}, 'Failed'), undefined],
    ['never where it is the kubelet’s', marked({ ...at(4000), reason: 'TerminationByKubelet' }), undefined],
    ['never where it is false', marked({ ...at(4000), status: 'False' }), undefined],
  ];
  for (const [what, pod, leftMs] of cases) it(what, () => assert.equal(staleInMs(pod, nowMs), leftMs));
});
