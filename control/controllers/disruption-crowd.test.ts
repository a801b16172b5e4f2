/** The disruption controller with very many pods and budgets in one namespace: everything is counted, and no turn of the event loop is long. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { ResourceId } from '#api/resources.ts';
import { conflict } from '#api/status.ts';
import type { LabelSelector, Pod, PodDisruptionBudget } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { InformerCache } from '#client/informer-cache.ts';
import { cpuMs } from '../../test/cpu-time.ts';
import { disruptionController } from './disruption.ts';

const meta = (name: string) => ({
  name,
  namespace: 'ns',
  uid: name,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
});

/** The controller on these pods (of one ReplicaSet) and budgets. */
function crowd(podCount: number, selectors: readonly LabelSelector[]) {
  const held = new Map<string, InformerCache<KubeObject>>();
  const cache = (id: ResourceId): InformerCache<KubeObject> => {
    const found = held.get(id) ?? new InformerCache<KubeObject>();
    held.set(id, found);
    return found;
  };
  const budgets = selectors.map(
    (selector, index): PodDisruptionBudget => ({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { ...meta(`b${index}`), generation: 1 },
      spec: { maxUnavailable: '1%', selector },
    }),
  );
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs', controller: true };
  const pods = Array.from(
    { length: podCount },
    (_, index): Pod => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...meta(`p${index}`), labels: { app: 'web' }, ownerReferences: [owner] },
      spec: { containers: [] },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    }),
  );
  for (const budget of budgets) cache('poddisruptionbudgets.policy').put(budget);
  for (const pod of pods) cache('pods').put(pod);
  cache('replicasets.apps').put({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: meta('rs'),
    spec: { replicas: podCount },
  } as unknown as KubeObject);
  const written: PodDisruptionBudget[] = [];
  const failures: Error[] = [];
  const client = {
    resource: () => ({
      updateStatus: async (budget: PodDisruptionBudget) => {
        const failure = failures.pop();
        if (failure !== undefined) throw failure;
        written.push(budget);
      },
    }),
  };
  const caches = { cache, cacheOf: () => cache('pods') };
  const deps = { client, catalog: createResourceCatalog(), caches, clock: new FakeClock(), events: { event: () => undefined } };
  const controller = disruptionController({ ...deps, log: pino({ level: 'silent' }) } as unknown as ControllerDeps);
  const keys = (resource: ResourceId, objects: readonly KubeObject[], previous?: KubeObject): Set<string> => {
    const watch = controller.watches.find((one) => one.resource === resource);
    const map = watch?.keys as (object: KubeObject, previous: KubeObject | undefined, all: unknown) => Iterable<string>;
    return new Set(objects.flatMap((object) => [...map(object, previous, caches)]));
  };
  assert.equal(keys('poddisruptionbudgets.policy', budgets).size, budgets.length);
  const reconcile = (key: string) => controller.reconcile(key, new AbortController().signal);
  return { pods, written, failures, keys, reconcile };
}

/** The most CPU time that one turn takes while `work` goes on, in milliseconds. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  let longestMs = 0;
  let working = true;
  let lastMs = cpuMs();
  const look = (): void => {
    const nowMs = cpuMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    if (working) setImmediate(look);
  };
  look();
  await work();
  working = false;
  look();
  return longestMs;
}

const web: LabelSelector = { matchLabels: { app: 'web' } };
const many = (count: number, selector: (index: number) => LabelSelector): LabelSelector[] =>
  Array.from({ length: count }, (_, index) => selector(index));

describe('very many pods and budgets', () => {
  it('one budget of 10,000 pods is counted', async () => {
    const { pods, written, keys, reconcile } = crowd(10_000, [web]);
    assert.deepEqual([...keys('pods', pods)], ['ns/b0']);
    const turnMs = await longestTurn(() => reconcile('ns/b0'));
    assert.deepEqual(
      written.map(({ status }) => [status?.currentHealthy, status?.desiredHealthy, status?.disruptionsAllowed]),
      [[10_000, 9_900, 100]],
    );
    assert.ok(turnMs < 500, `a turn took ${turnMs} ms`);
  });

  const crowds: [what: string, selectors: LabelSelector[], key: string | undefined, written: number][] = [
    ['of other pods', many(5000, (index) => ({ matchLabels: { app: `x${index}` } })), undefined, 0],
    ['of the same pods', many(5000, () => web), 'ns/', 4],
    ['of all pods', many(5000, () => ({})), 'ns/', 4],
    [
      'of all pods but these',
      many(500, (index) => ({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web', `x${index}`] }] })),
      'ns/',
      0,
    ],
  ];
  for (const [what, selectors, key, count] of crowds)
    it(`thousands of budgets ${what} hold nobody up`, async () => {
      const { pods, written, keys, reconcile } = crowd(5000, selectors);
      const startMs = cpuMs();
      const found = [...keys('pods', pods)];
      const mappingMs = cpuMs() - startMs;
      assert.deepEqual(found, key === undefined ? [] : [key]);
      assert.ok(mappingMs < 1000, `5,000 pods took ${mappingMs} ms`);
      const turnMs = await longestTurn(async () => {
        for (const one of found) await reconcile(one);
      });
      assert.ok(turnMs < 500, `a turn took ${turnMs} ms`);
      assert.equal(written.length, count);
    });

  it('what fails is looked at again, for all pods that had changed', async () => {
    const selectors = many(200, (index) => (index === 7 ? web : { matchLabels: { app: 'web', no: 'pod' } }));
    const { pods, written, failures, keys, reconcile } = crowd(3, selectors);
    assert.deepEqual([...keys('pods', pods)], ['ns/']);
    failures.push(conflict({ group: 'policy', name: 'poddisruptionbudgets' }, 'b7', 'changed'));
    await assert.rejects(reconcile('ns/'), /changed/);
    await reconcile('ns/');
    assert.deepEqual(
      written.map(({ metadata }) => metadata.name),
      ['b7'],
    );
    await reconcile('ns/');
    assert.equal(written.length, 1, 'nothing changed since');
  });

  it('a pod whose labels changed is looked for in its former budgets, too', () => {
    const { pods, keys } = crowd(1, [web, { matchLabels: { app: 'db' } }]);
    const [pod] = pods;
    assert.ok(pod !== undefined);
    const moved = { ...pod, metadata: { ...pod.metadata, labels: { app: 'db' } } };
    assert.deepEqual([...keys('pods', [moved], pod)].sort(), ['ns/b0', 'ns/b1']);
    assert.deepEqual([...keys('pods', [pod], pod)], ['ns/b0']);
  });
});
