/** Evictions with and without disruption budgets, against a whole API server. The tests play the disruption controller. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { PodDisruptionBudgetSpec, PodDisruptionBudgetStatus } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { startTestServer, type TestAnswer, type TestServer } from '../../../api-server.testing.ts';

const base = '/api/v1/namespaces/default';
const pods = `${base}/pods`;
const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const merge = { 'content-type': 'application/merge-patch+json' };
const generally = "Cannot evict pod as it would violate the pod's disruption budget.";

/** A store in which somebody else may write just before the next write of a pod. */
function racingStore(store: Store, race: { rival?: (() => Promise<unknown>) | undefined }): Store {
  const put: Store['put'] = async (key, ...rest) => {
    const { rival } = race;
    if (rival !== undefined && key.startsWith('/registry/pods/')) {
      race.rival = undefined;
      await rival();
    }
    return await store.put(key, ...rest);
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === 'put') return put;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A clock that stands still; only the pause between two attempts ends at once. */
class PatientClock extends FakeClock {
  pauses = 0;

  override after(delayMs: number, callback: () => void): () => void {
    if (delayMs < 500 || delayMs > 550) return super.after(delayMs, callback);
    this.pauses++;
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  }
}

describe('evictions', () => {
  const clock = new PatientClock();
  const race: { rival?: (() => Promise<unknown>) | undefined } = {};
  let folder = '';
  let store: Store;
  let api: TestServer;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'eviction-'));
    store = await createSqliteStore({ path: join(folder, 'state.db') });
    api = await startTestServer({ clock, store: racingStore(store, race) });
    await api.request('POST', `${base}/serviceaccounts`, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default' },
    });
  });
  after(async () => {
    await api.stop();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await api.request('DELETE', budgets);
    await api.request('DELETE', `${pods}?gracePeriodSeconds=0`);
  });

  /** A pod on a node. @param phase Running and ready by default */
  async function run(name: string, { phase = 'Running', ready = 'True' } = {}): Promise<string> {
    const spec = { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] };
    const made = await api.request('POST', pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: 'web' } },
      spec,
    });
    assert.equal(made.status, 201, made.text);
    const conditions = [{ type: 'Ready', status: ready }];
    const { json } = await api.request('PATCH', `${pods}/${name}/status`, { status: { phase, conditions } }, merge);
    return json.metadata.resourceVersion;
  }

  /** A budget for `app: web`, with this status. */
  async function guard(status: PodDisruptionBudgetStatus, spec: PodDisruptionBudgetSpec = {}, name = 'b'): Promise<void> {
    const selector = { matchLabels: { app: 'web' } };
    const made = await api.request('POST', budgets, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name },
      spec: { selector, minAvailable: 2, ...spec },
    });
    assert.equal(made.status, 201, made.text);
    const sent = await api.request('PATCH', `${budgets}/${name}/status`, { status: { observedGeneration: 1, ...status } }, merge);
    assert.equal(sent.status, 200, sent.text);
  }

  const evict = (name: string, deleteOptions?: object, query = ''): Promise<TestAnswer> =>
    api.request('POST', `${pods}/${name}/eviction${query}`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace: 'default' },
      ...(deleteOptions === undefined ? {} : { deleteOptions }),
    });
  const statusOf = async (name = 'b') =>
    (await api.request('GET', `${budgets}/${name}`)).json.status as unknown as PodDisruptionBudgetStatus;
  const isGoing = async (name: string): Promise<boolean> => {
    const { status, json } = await api.request('GET', `${pods}/${name}`);
    return status === 404 || json.metadata.deletionTimestamp !== undefined;
  };
  const causeOf = ({ json }: TestAnswer): string =>
    json.details.causes.map(({ reason, message }) => `${reason}: ${message}`).join();

  const bodies: [what: string, apiVersion: string | undefined, kind: string | undefined, status: number, message: RegExp][] = [
    ['policy/v1', 'policy/v1', 'Eviction', 201, /^$/],
    ['policy/v1beta1', 'policy/v1beta1', 'Eviction', 201, /^$/],
    ['no type', undefined, undefined, 201, /^$/],
    ['another group', 'v1', 'Pod', 400, /Pod in version "v1" cannot be handled as a Eviction/],
    ['a version that nobody has', 'policy/v2', 'Eviction', 400, /no kind "Eviction" is registered for version "policy\/v2"/],
    ['another kind of v1beta1', 'policy/v1beta1', 'PodDisruptionBudget', 400, /cannot be handled as a Eviction|is registered/],
  ];
  for (const [what, apiVersion, kind, expected, message] of bodies)
    it(`take a body of ${what}: ${expected}`, async () => {
      await run('web');
      const body = { apiVersion, kind, metadata: { name: 'web' }, deleteOptions: { gracePeriodSeconds: 7 } };
      const { status, json, text } = await api.request('POST', `${pods}/web/eviction`, body);
      assert.equal(status, expected, text);
      assert.match(json['message'] ?? '', message);
      assert.equal(await isGoing('web'), expected === 201);
    });

  it('mark and delete a pod that no budget selects', async () => {
    await run('web');
    await guard({}, { selector: { matchLabels: { app: 'other' } } }, 'other');
    await guard({}, { selector: undefined }, 'of-none');
    const { status, json } = await evict('web');
    assert.deepEqual([status, json.kind, json.status, json.code], [201, 'Status', 'Success', 201]);
    const { conditions } = (await api.request('GET', `${pods}/web`)).json.status;
    assert.deepEqual(conditions.at(-1), {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'EvictionByEvictionAPI',
      message: 'Eviction API: evicting',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    });
    assert.equal(await isGoing('web'), true);
  });

  it('count against the budget, until it allows no more', async () => {
    await run('web');
    await run('web2');
    await run('web3');
    await guard({ disruptionsAllowed: 2, currentHealthy: 4, desiredHealthy: 2 });
    assert.equal((await evict('web')).status, 201);
    assert.deepEqual(await statusOf(), {
      observedGeneration: 1,
      disruptionsAllowed: 1,
      currentHealthy: 4,
      desiredHealthy: 2,
      expectedPods: 0,
      disruptedPods: { web: '2026-01-01T00:00:00Z' },
    });
    assert.equal((await evict('web2')).status, 201);
    const { conditions, disruptionsAllowed, disruptedPods } = await statusOf();
    assert.deepEqual([disruptionsAllowed, Object.keys(disruptedPods ?? {}).sort()], [0, ['web', 'web2']]);
    assert.deepEqual(conditions, [
      {
        type: 'DisruptionAllowed',
        status: 'False',
        reason: 'InsufficientPods',
        message: '',
        observedGeneration: 1,
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ]);
    const { metadata } = (await api.request('GET', `${budgets}/b`)).json;
    const writers = (metadata.managedFields ?? []).map(({ manager, subresource }) => `${manager} ${subresource}`);
    assert.ok(writers.includes('kube-apiserver status'), writers.join());
    assert.equal((await evict('web3')).status, 429);
    assert.equal(await isGoing('web3'), false);
  });

  const failedSync = { type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message: 'no scale' };
  const told = { ...failedSync, reason: 'Because', message: 'of you' };
  const at = { lastTransitionTime: '2026-01-01T00:00:00Z' };
  const refusals: [what: string, PodDisruptionBudgetStatus, cause: string, retryAfter?: string][] = [
    ['pods lack', { currentHealthy: 2, desiredHealthy: 3 }, 'The disruption budget b needs 3 healthy pods and has 2 currently'],
    [
      'the controller has not caught up',
      { disruptionsAllowed: 5, observedGeneration: 0 },
      'The disruption budget b is still being processed by the server.',
      '10',
    ],
    [
      'the controller failed',
      { currentHealthy: 2, desiredHealthy: 3, conditions: [{ ...failedSync, ...at }] },
      'The disruption budget b does not allow evicting pods currently because it failed sync: no scale',
    ],
    [
      'a condition says so',
      { currentHealthy: 3, desiredHealthy: 2, conditions: [{ ...told, ...at }] },
      'The disruption budget b does not allow evicting pods currently (Because): of you',
    ],
    [
      'there is no reason',
      { currentHealthy: 3, desiredHealthy: 2 },
      'The disruption budget b does not allow evicting pods currently',
    ],
  ];
  for (const [what, status, cause, retryAfter] of refusals)
    it(`are refused where ${what}`, async () => {
      await run('web');
      await guard(status);
      const answer = await evict('web');
      assert.deepEqual([answer.status, answer.json.reason, answer.json.message], [429, 'TooManyRequests', generally]);
      assert.deepEqual([causeOf(answer), answer.headers['retry-after']], [`DisruptionBudget: ${cause}`, retryAfter]);
      assert.equal(await isGoing('web'), false);
    });

  it('are refused while too many others are not seen to go', async () => {
    await run('web');
    const names = Array.from({ length: 2001 }, (_, index): [string, string] => [`p${index}`, at.lastTransitionTime]);
    await guard({ disruptionsAllowed: 5, disruptedPods: Object.fromEntries(names) });
    const { status, json } = await evict('web');
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    assert.deepEqual([status, json.message], [403, `poddisruptionbudget.policy "b" is forbidden: ${why}`]);
    await api.request('PATCH', `${budgets}/b/status`, { status: { disruptedPods: { p0: null } } }, merge);
    assert.equal((await evict('web')).status, 201);
  });

  it('know no pod with two budgets', async () => {
    await run('web');
    await guard({ disruptionsAllowed: 1 });
    await guard({ disruptionsAllowed: 1 }, { selector: {} }, 'of-all');
    const { status, json } = await evict('web');
    const text = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    assert.deepEqual([status, json.status, json.code, json.message, json.reason], [500, 'Failure', 500, text, undefined]);
    assert.equal(await isGoing('web'), false);
  });

  for (const phase of ['Succeeded', 'Failed', 'Pending'])
    it(`of a pod that is ${phase} ask no budget`, async () => {
      await run('web', { phase, ready: 'False' });
      await guard({ currentHealthy: 0, desiredHealthy: 1 });
      assert.equal((await evict('web')).status, 201);
      assert.equal(await isGoing('web'), true);
    });

  it('of a pod that is being deleted ask no budget', async () => {
    await run('web');
    await guard({ currentHealthy: 1, desiredHealthy: 1 });
    await api.request('DELETE', `${pods}/web?gracePeriodSeconds=30`);
    assert.equal((await evict('web', { gracePeriodSeconds: 5 })).status, 201);
    assert.equal((await api.request('GET', `${pods}/web`)).json.metadata.deletionGracePeriodSeconds, 5);
  });

  const unhealthy: [policy: string | undefined, PodDisruptionBudgetStatus, status: number][] = [
    [undefined, { currentHealthy: 2, desiredHealthy: 2 }, 201],
    [undefined, { currentHealthy: 1, desiredHealthy: 2 }, 429],
    [undefined, { currentHealthy: 0, desiredHealthy: 0 }, 429],
    ['IfHealthyBudget', { currentHealthy: 2, desiredHealthy: 2 }, 201],
    ['IfHealthyBudget', { currentHealthy: 1, desiredHealthy: 2 }, 429],
    ['AlwaysAllow', { currentHealthy: 0, desiredHealthy: 2 }, 201],
  ];
  for (const [policy, status, expected] of unhealthy)
    it(`of a pod that is not ready: ${policy ?? 'no policy'}, ${status.currentHealthy} of ${status.desiredHealthy}`, async () => {
      await run('web', { ready: 'False' });
      await guard(status, { unhealthyPodEvictionPolicy: policy });
      const before = await statusOf();
      assert.equal((await evict('web')).status, expected);
      assert.equal(await isGoing('web'), expected === 201);
      assert.deepEqual(await statusOf(), before, 'nothing is counted');
    });

  it('do not delete a pod that becomes ready just then', async () => {
    await run('web', { ready: 'False' });
    await guard({ currentHealthy: 2, desiredHealthy: 2 });
    const ready = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
    race.rival = () => api.request('PATCH', `${pods}/web/status`, ready, merge);
    const answer = await evict('web');
    assert.equal(answer.status, 429);
    assert.match(causeOf(answer), /still being processed/);
    assert.equal(await isGoing('web'), false);
    assert.equal(race.rival, undefined);
  });

  it('of a waiting pod that changes just then are tried again, and ask the budget if it runs by now', async () => {
    await run('waits', { phase: 'Pending', ready: 'False' });
    race.rival = () => api.request('PATCH', `${pods}/waits`, { metadata: { labels: { x: 'y' } } }, merge);
    assert.equal((await evict('waits')).status, 201);
    assert.deepEqual([await isGoing('waits'), clock.pauses], [true, 1]);

    await run('starts', { phase: 'Pending', ready: 'False' });
    await guard({ currentHealthy: 1, desiredHealthy: 1 });
    const running = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
    race.rival = () => api.request('PATCH', `${pods}/starts/status`, running, merge);
    assert.equal((await evict('starts')).status, 429);
    assert.deepEqual([await isGoing('starts'), clock.pauses], [false, 2]);
  });

  it('keep to the preconditions of the deletion', async () => {
    const resourceVersion = await run('web');
    await guard({ disruptionsAllowed: 5, currentHealthy: 7, desiredHealthy: 2 });
    const uid = (await api.request('GET', `${pods}/web`)).json.metadata.uid ?? '';
    const old = await evict('web', { preconditions: { resourceVersion: '1' } });
    assert.deepEqual(
      [old.status, old.json.message],
      [
        409,
        `Operation cannot be fulfilled on Pod "web": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
      ],
    );
    const other = await evict('web', { preconditions: { uid: 'another' } });
    assert.equal(other.status, 409);
    assert.match(other.json.message, /^Operation cannot be fulfilled on Pod "web": the UID in the precondition \(another\)/);
    assert.equal(await isGoing('web'), false);
    assert.equal((await evict('web', { preconditions: { uid, resourceVersion } })).status, 201);
  });

  it('that are tried dry change nothing', async () => {
    const resourceVersion = await run('web');
    await guard({ disruptionsAllowed: 1, currentHealthy: 3, desiredHealthy: 2 });
    const before = await statusOf();
    assert.equal((await evict('web', undefined, '?dryRun=All')).status, 201);
    assert.equal((await evict('web', { dryRun: ['All'] })).status, 201);
    assert.equal((await evict('web', { dryRun: ['All'] }, '?dryRun=All')).status, 201);
    assert.deepEqual(await statusOf(), before);
    assert.equal((await api.request('GET', `${pods}/web`)).json.metadata.resourceVersion, resourceVersion);
    await api.request('PATCH', `${budgets}/b/status`, { status: { disruptionsAllowed: 0 } }, merge);
    assert.equal((await evict('web', undefined, '?dryRun=All')).status, 429);
  });

  it('are refused when they contradict themselves', async () => {
    await run('web');
    const contradicting = await evict('web', { dryRun: ['All', 'All'] }, '?dryRun=All');
    assert.deepEqual(
      [contradicting.status, contradicting.json.message],
      [500, 'Non-matching dry-run options in request and content: [All] and [All All]'],
    );
    assert.equal((await evict('web', { dryRun: ['Some'] })).status, 422);
    assert.equal((await evict('web', { propagationPolicy: 'Sometimes' })).status, 422);
    const unsafe = await evict('web', { ignoreStoreReadErrorWithClusterBreakingPotential: true });
    assert.deepEqual(
      [unsafe.status, unsafe.json.message],
      [
        422,
        'Eviction.policy "web" is invalid: deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential: Invalid value: true: can not be set for pod eviction, try after removing the option',
      ],
    );
    const send = (metadata: object): Promise<TestAnswer> =>
      api.request('POST', `${pods}/web/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata });
    const wrongName = 'name in URL does not match name in Eviction object';
    assert.equal((await send({ name: 'other' })).json.message, wrongName);
    assert.equal((await send({})).json.message, wrongName);
    const elsewhere = await send({ name: 'web', namespace: 'kube-system' });
    assert.deepEqual(
      [elsewhere.status, elsewhere.json.message],
      [400, 'the namespace of the provided object does not match the namespace sent on the request'],
    );
    assert.equal((await evict('nobody')).status, 404);
    assert.equal(await isGoing('web'), false);
  });

  it('at the same time never take more than the budget allows', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `web${index}`);
    for (const name of names) await run(name);
    await guard({ disruptionsAllowed: 5, currentHealthy: 12, desiredHealthy: 7 });
    const answers = await Promise.all(names.map((name) => evict(name)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(5).fill(201), ...Array(7).fill(429)]);
    const { disruptionsAllowed, disruptedPods } = await statusOf();
    assert.deepEqual([disruptionsAllowed, Object.keys(disruptedPods ?? {}).length], [0, 5]);
  });
});
