/** FlowSchemas and priority levels on a server: the cases of upstream's `test/e2e/apimachinery/flowcontrol.go`, and the default objects. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { pino } from 'pino';
import type { FlowSchema, FlowSchemaSpec, PriorityLevelConfiguration } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { runControllerSet } from '#client/controller-runner.ts';
import { createInformers } from '#client/informers.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import { mandatoryFlowSchemas, suggestedFlowSchemas } from '../kinds/flowcontrol/default-objects.ts';
import { ensureFlowControl, revise } from './ensure-objects.ts';
import { flowSchemaStatusController } from './status-controller.ts';

const group = '/apis/flowcontrol.apiserver.k8s.io/v1';
const annotation = 'apf.kubernetes.io/autoupdate-spec';
const merge = { 'content-type': 'application/merge-patch+json' };
const level = (name: string): object => ({
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'PriorityLevelConfiguration',
  metadata: { name },
  spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } } },
});
const schema = (name: string, levelName: string, userName: string): object => ({
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'FlowSchema',
  metadata: { name },
  spec: {
    matchingPrecedence: 1000,
    priorityLevelConfiguration: { name: levelName },
    distinguisherMethod: { type: 'ByUser' },
    rules: [
      {
        subjects: [{ kind: 'User', user: { name: userName } }],
        nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
      },
    ],
  },
});

describe('flow control', () => {
  let api: TestServer;
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  before(async () => {
    api = await startTestServer({ modes: ['RBAC'] });
    const log = pino({ level: 'silent' });
    const clock = new FakeClock();
    const informers = createInformers({ client: api.client, clock, log });
    const controller = flowSchemaStatusController({ client: api.client, caches: informers, clock });
    running.push(informers.run(stop.signal), runControllerSet([controller], { informers, clock, log }, stop.signal));
  });
  after(async () => {
    stop.abort();
    await Promise.all(running);
    await api.stop();
  });
  const uidOf = async (kind: string, name: string): Promise<string> =>
    (await api.request('GET', `${group}/${kind}/${name}`)).json.metadata.uid;
  const belongs = async (name: string, path = '/version', groups = ['system:authenticated']): Promise<string[]> => {
    const { headers } = await api.as({ name, groups, extra: {} })('GET', path);
    return ['x-kubernetes-pf-flowschema-uid', 'x-kubernetes-pf-prioritylevel-uid'].map((header) => headers[header] ?? 'absent');
  };

  it('has the mandatory objects before they are stored', async () => {
    assert.deepEqual(await belongs('jane'), ['', '']);
  });

  it('has the default objects, as upstream makes them, and they are not written again', async () => {
    await ensureFlowControl(api.client);
    const { items } = (await api.request('GET', `${group}/flowschemas`)).json as unknown as { items: FlowSchema[] };
    const wanted: Record<string, FlowSchemaSpec> = { ...mandatoryFlowSchemas, ...suggestedFlowSchemas };
    assert.deepEqual(items.map(({ metadata }) => metadata.name).sort(), Object.keys(wanted).sort());
    for (const { metadata, spec } of items) {
      assert.deepEqual([metadata.annotations?.[annotation], metadata.generation], ['true', 1]);
      assert.deepEqual(spec, wanted[metadata.name]);
    }
    assert.equal((await api.request('GET', `${group}/prioritylevelconfigurations`)).json.items.length, 8);
    const written = (await api.request('GET', `${group}/prioritylevelconfigurations/system`)).json.metadata.resourceVersion;
    await ensureFlowControl(api.client);
    assert.equal(
      (await api.request('GET', `${group}/prioritylevelconfigurations/system`)).json.metadata.resourceVersion,
      written,
    );
  });

  it('shows FlowSchemas in the order in which they are asked', async () => {
    const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const { rows } = (await api.request('GET', `${group}/flowschemas`, undefined, accept)).json;
    const names = rows.map(({ cells }) => cells[0]);
    assert.deepEqual([names.slice(0, 3), names.at(-1)], [['exempt', 'probes', 'system-leader-election'], 'catch-all']);
  });

  const places: [user: string, groups: string[], path: string, schema: string, level: string][] = [
    ['root', ['system:masters', 'system:authenticated'], '/api/v1/nodes', 'exempt', 'exempt'],
    ['system:node:n1', ['system:nodes', 'system:authenticated'], '/api/v1/nodes/n1', 'system-node-high', 'node-high'],
    ['system:node:n1', ['system:nodes', 'system:authenticated'], '/api/v1/pods', 'system-nodes', 'system'],
    [
      'system:kube-scheduler',
      ['system:authenticated'],
      '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x',
      'system-leader-election',
      'leader-election',
    ],
    ['system:kube-scheduler', ['system:authenticated'], '/api/v1/pods', 'kube-scheduler', 'workload-high'],
    [
      'system:serviceaccount:kube-system:a',
      ['system:serviceaccounts', 'system:authenticated'],
      '/api/v1/pods',
      'kube-system-service-accounts',
      'workload-high',
    ],
    [
      'system:serviceaccount:ns:a',
      ['system:serviceaccounts', 'system:authenticated'],
      '/api/v1/pods',
      'service-accounts',
      'workload-low',
    ],
    ['jane', ['system:authenticated'], '/version', 'global-default', 'global-default'],
    ['jane', ['system:authenticated'], '/readyz', 'probes', 'exempt'],
    ['stranger', [], '/version', 'catch-all', 'catch-all'],
  ];
  for (const [name, groups, path, schemaName, levelName] of places)
    it(`says that ${name} at ${path} is of ${schemaName}, also where it is forbidden`, async () => {
      const expected = [await uidOf('flowschemas', schemaName), await uidOf('prioritylevelconfigurations', levelName)];
      assert.deepEqual(await belongs(name, path, groups), expected);
    });

  it('lets requests be classified by a new FlowSchema and its priority level at once, and says that the reference is good', async () => {
    const made = await api.request('POST', `${group}/prioritylevelconfigurations`, level('testing'));
    const created = await api.request('POST', `${group}/flowschemas`, schema('testing', 'testing', 'noxu'));
    assert.deepEqual([made.status, created.status], [201, 201]);
    assert.deepEqual(await belongs('noxu'), [created.json.metadata.uid, made.json.metadata.uid]);
    assert.deepEqual(await belongs('foo'), [
      await uidOf('flowschemas', 'global-default'),
      await uidOf('prioritylevelconfigurations', 'global-default'),
    ]);
    // If the controller sees the FlowSchema before its priority level, it first sets Dangling, and then corrects it.
    const condition = async (name: string, status: string): Promise<string> => {
      let last = 'none';
      for (let tries = 0; tries < 1000; tries++) {
        const { json } = await api.request('GET', `${group}/flowschemas/${name}`);
        const found = (json as unknown as FlowSchema).status?.conditions?.find(({ type }) => type === 'Dangling');
        if (found !== undefined) last = `${found.status} ${found.reason}: ${found.message}`;
        if (found?.status === status) break;
        await setTimeout(10);
      }
      return last;
    };
    const about = 'This FlowSchema references the PriorityLevelConfiguration object named';
    assert.equal(await condition('testing', 'False'), `False Found: ${about} "testing" and it exists`);
    await api.request('POST', `${group}/flowschemas`, schema('dangling', 'nothing', 'bar'));
    assert.equal(await condition('dangling', 'True'), `True NotFound: ${about} "nothing" but there is no such object`);
    assert.deepEqual((await belongs('bar'))[0], await uidOf('flowschemas', 'global-default'));
    for (const kind of ['flowschemas/testing', 'flowschemas/dangling', 'prioritylevelconfigurations/testing'])
      assert.equal((await api.request('DELETE', `${group}/${kind}`)).status, 200);
  });

  it('keeps mandatory objects as they are, and suggested ones until somebody takes them over', async () => {
    const path = `${group}/prioritylevelconfigurations`;
    const sharesOf = async (name: string): Promise<unknown> =>
      ((await api.request('GET', `${path}/${name}`)).json as unknown as PriorityLevelConfiguration).spec.limited
        ?.nominalConcurrencyShares;
    const change = { spec: { limited: { nominalConcurrencyShares: 77 } } };
    assert.equal((await api.request('PATCH', `${path}/catch-all`, change, merge)).status, 422);
    await api.request('PATCH', `${path}/workload-low`, change, merge);
    await ensureFlowControl(api.client);
    assert.equal(await sharesOf('workload-low'), 100, 'the annotation says that the server keeps it');
    await api.request(
      'PATCH',
      `${path}/workload-low`,
      { ...change, metadata: { annotations: { [annotation]: 'false' } } },
      merge,
    );
    await ensureFlowControl(api.client);
    assert.equal(await sharesOf('workload-low'), 77);
    await api.request('DELETE', `${path}/workload-low`);
    await api.request('DELETE', `${path}/exempt`);
    const old = { ...level('old-default'), metadata: { name: 'old-default', annotations: { [annotation]: 'true' } } };
    await api.request('POST', path, old);
    await ensureFlowControl(api.client);
    assert.equal(await sharesOf('workload-low'), 100);
    assert.equal((await api.request('GET', `${path}/exempt`)).status, 200);
    assert.equal((await api.request('GET', `${path}/old-default`)).status, 404);
  });

  it('does the operations of the API on both kinds', async () => {
    for (const [kind, body] of [
      ['flowschemas', schema('op', 'exempt', 'x')],
      ['prioritylevelconfigurations', level('op')],
    ] as const) {
      const path = `${group}/${kind}`;
      const labelled = { ...body, metadata: { name: 'op', labels: { test: 'op' } } };
      assert.equal((await api.request('POST', path, labelled)).status, 201);
      assert.equal((await api.request('GET', `${path}?labelSelector=test%3Dop`)).json.items.length, 1);
      const patched = await api.request('PATCH', `${path}/op`, { metadata: { annotations: { patched: 'true' } } }, merge);
      assert.equal(patched.json.metadata.annotations?.['patched'], 'true');
      const status = { conditions: [{ type: 'PatchStatusFailed', status: 'False', reason: 'PatchStatus', message: 'm' }] };
      const reported = await api.request('PATCH', `${path}/op/status`, { status }, merge);
      assert.ok(
        (reported.json.status as unknown as { conditions: { type: string }[] }).conditions.some(
          ({ type }) => type === 'PatchStatusFailed',
        ),
      );
      const { json } = await api.request('GET', `${path}/op/status`);
      assert.equal((await api.request('PUT', `${path}/op/status`, json)).status, 200);
      assert.equal((await api.request('DELETE', `${path}?labelSelector=test%3Dop`)).status, 200);
      assert.equal((await api.request('GET', `${path}/op`)).status, 404);
    }
  });
});

describe('a suggested object', () => {
  const current = (generation: number, annotations?: Record<string, string>, shares = 9): PriorityLevelConfiguration =>
    ({
      metadata: { name: 'x', generation, ...(annotations === undefined ? {} : { annotations }) },
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: shares } },
    }) as PriorityLevelConfiguration;
  const { spec } = current(1, undefined, 5);
  const cases: [what: string, PriorityLevelConfiguration, mandatory: boolean, expected: string][] = [
    ['that is the server’s gets its spec', current(3, { [annotation]: 'true' }), false, 'true 5'],
    ['that is not stays', current(3, { [annotation]: 'false' }), false, 'as it is'],
    ['that nobody changed becomes the server’s', current(1), false, 'true 5'],
    ['that somebody changed becomes theirs', current(2), false, 'false 9'],
    ['with an odd annotation is as without one', current(2, { [annotation]: 'maybe' }), false, 'false 9'],
    ['that is right and says so stays', current(1, { [annotation]: '1' }, 5), false, 'as it is'],
    ['that is mandatory is always the server’s', current(9, { [annotation]: 'false' }), true, 'true 5'],
  ];
  for (const [what, object, isMandatory, expected] of cases)
    it(what, () => {
      const revised = revise(object, spec, isMandatory);
      const text =
        revised === undefined
          ? 'as it is'
          : `${revised.metadata.annotations?.[annotation]} ${revised.spec.limited?.nominalConcurrencyShares}`;
      assert.equal(text, expected);
    });
});
