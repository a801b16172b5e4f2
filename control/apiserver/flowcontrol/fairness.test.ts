/**
 * An overloaded server: the requests of one user do not block those of another, nor those of the cluster's components. Also the debug pages
 * and metrics.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestAnswer, type TestServer } from '../api-server.testing.ts';
import { DebugPages } from '../serving/debug-pages.ts';
import { ensureFlowControl } from './ensure-objects.ts';

const group = '/apis/flowcontrol.apiserver.k8s.io/v1';

describe('priority and fairness', { timeout: 120_000 }, () => {
  let api: TestServer;
  const debug = new DebugPages();
  before(async () => {
    api = await startTestServer({ inflight: { readOnly: 20, mutating: 10 }, deps: { debug } });
    await ensureFlowControl(api.client);
    const path = '/api/v1/namespaces/default/configmaps';
    const data = { text: 'x'.repeat(2000) };
    for (let index = 0; index < 100; index++)
      assert.equal((await api.request('POST', path, { metadata: { name: `c-${index}` }, data })).status, 201);
  });
  after(() => api.stop());
  const user = (name: string, groups: string[] = []) => api.as({ name, groups: [...groups, 'system:authenticated'], extra: {} });
  const list = '/api/v1/namespaces/default/configmaps';
  const metric = async (name: string, level: string): Promise<number> => {
    const { text } = await api.request('GET', '/metrics');
    const line = text.split('\n').find((one) => one.startsWith(`apiserver_flowcontrol_${name}{`) && one.includes(`"${level}"`));
    return Number(line?.split(' ').at(-1) ?? Number.NaN);
  };

  it('serves another user, and the leases, while one user floods', async () => {
    const flood = user('flood');
    const calm = user('calm');
    const leader = user('system:kube-scheduler');
    const node = user('system:node:n1', ['system:nodes']);
    const answers: Promise<TestAnswer>[] = Array.from({ length: 1500 }, () => flood('GET', list));
    const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';
    for (let count = 0; count < 15; count++) {
      assert.equal((await calm('GET', '/version')).status, 200, 'the calm one is served');
      assert.equal((await leader('GET', lease)).status, 200, 'leases are read');
      assert.equal((await node('GET', '/api/v1/nodes')).status, 200, 'nodes are heard');
      assert.equal((await api.request('GET', list)).status, 200, 'administrators have no limit');
    }
    const served = await Promise.all(answers);
    const refused = served.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && refused.length < served.length, `${refused.length} of ${served.length} were refused`);
    for (const { headers, text } of refused) {
      assert.equal(text, 'Too many requests, please try again later.\n');
      assert.match(headers['retry-after'] ?? '', /^\d+$/);
      assert.ok(headers['x-kubernetes-pf-prioritylevel-uid'] !== undefined);
    }
    assert.deepEqual([...new Set(served.map(({ status }) => status))].sort(), [200, 429]);
    assert.ok((await metric('rejected_requests_total', 'global-default')) >= refused.length);
    assert.equal(await metric('current_inqueue_requests', 'global-default'), 0);
    assert.equal(await metric('current_executing_seats', 'global-default'), 0);
  });

  it('lets a watch keep its seats until all that there is has been sent', async () => {
    const sender = { user: { name: 'watcher', groups: ['system:authenticated'], extra: {} } };
    const executing = (): Promise<number> => metric('current_executing_requests', 'global-default');
    const stop = new AbortController();
    const path = `${list}?watch=1`;
    const answer = await api.server.handle({ method: 'GET', path, headers: {}, signal: stop.signal }, { sender });
    assert.equal(answer.status, 200);
    assert.equal(await executing(), 1);
    const pieces = answer.body[Symbol.asyncIterator]();
    let text = '';
    while (text.split('\n').length <= 100) text += Buffer.from((await pieces.next()).value as Uint8Array).toString();
    const more = pieces.next();
    await answer.begun;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await executing(), 0);
    stop.abort();
    assert.equal((await more).done, true);
    const gone = new AbortController();
    await api.server.handle({ method: 'GET', path, headers: {}, signal: gone.signal }, { sender });
    assert.equal(await executing(), 1);
    gone.abort();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await executing(), 0);
  });

  it("has upstream's metrics", async () => {
    await user('writer')('POST', list, { metadata: { name: 'counted' } });
    const { text } = await api.request('GET', '/metrics');
    for (const [name, labels] of [
      ['priority_level_seat_utilization_bucket', 'le="0.95",priority_level="global-default",phase="executing"'],
      ['priority_level_request_utilization_bucket', 'le="0.001",priority_level="global-default",phase="waiting"'],
      ['demand_seats_bucket', 'le="1.7",priority_level="global-default"'],
      ['dispatch_r', 'priority_level="global-default"'],
      ['latest_s', 'priority_level="global-default"'],
      ['current_r', 'priority_level="global-default"'],
      ['request_execution_seconds_count', 'priority_level="global-default",flow_schema="global-default",type="watch"'],
      ['request_execution_seconds_count', 'priority_level="global-default",flow_schema="global-default",type="regular"'],
      ['watch_count_samples_count', 'priority_level="global-default",flow_schema="global-default"'],
      ['work_estimated_seats_bucket', 'le="64",priority_level="global-default",flow_schema="global-default"'],
    ] as const)
      assert.ok(text.includes(`apiserver_flowcontrol_${name}{${labels}}`), `${name} ${labels}`);
  });

  it('shows levels, queues and requests', async () => {
    const { text } = await api.request('GET', '/debug/api_priority_and_fairness/dump_priority_levels');
    const [head = '', ...rows] = text.trimEnd().split('\n');
    assert.match(
      head,
      /^PriorityLevelName, +ActiveQueues, +IsIdle, +IsQuiescing, +WaitingRequests, +ExecutingRequests, +DispatchedRequests, +RejectedRequests, +TimedoutRequests, +CancelledRequests$/,
    );
    assert.deepEqual(
      rows.map((row) => row.split(',', 1)[0]),
      ['catch-all', 'exempt', 'global-default', 'leader-election', 'node-high', 'system', 'workload-high', 'workload-low'],
    );
    const queues = (await api.request('GET', '/debug/api_priority_and_fairness/dump_queues')).text;
    assert.match(queues, /\nglobal-default, +0, +0, +0, +0, +-?[\d.]+ss, +0, +0, +0\.00000000ss\n/);
    const requests = await api.request('GET', '/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1');
    assert.match(
      requests.text,
      /\nexempt, +exempt, +-1, +-1, .*kubernetes-admin, +get, +\/debug\/api_priority_and_fairness\/dump_requests,/,
    );
    assert.equal((await api.request('GET', '/debug/api_priority_and_fairness/other')).status, 404);
  });

  it('divides the seats of the server by shares, and follows changes', async () => {
    const level = {
      nominalConcurrencyShares: 255,
      limitResponse: { type: 'Reject' },
      borrowingLimitPercent: 0,
      lendablePercent: 50,
    };
    const before = await metric('nominal_limit_seats', 'workload-low');
    const made = await api.request('POST', `${group}/prioritylevelconfigurations`, {
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
      kind: 'PriorityLevelConfiguration',
      metadata: { name: 'greedy' },
      spec: { type: 'Limited', limited: level },
    });
    assert.equal(made.status, 201, made.text);
    // 245 shares of the default levels are 30 seats; now 500.
    assert.equal(await metric('nominal_limit_seats', 'greedy'), 16);
    assert.equal(await metric('lower_limit_seats', 'greedy'), 8);
    assert.equal(await metric('upper_limit_seats', 'greedy'), 16);
    assert.ok((await metric('nominal_limit_seats', 'workload-low')) < before);
    assert.equal((await api.request('DELETE', `${group}/prioritylevelconfigurations/greedy`)).status, 200);
    assert.ok(Number.isNaN(await metric('nominal_limit_seats', 'greedy')));
    assert.equal(await metric('nominal_limit_seats', 'workload-low'), before);
  });
});
