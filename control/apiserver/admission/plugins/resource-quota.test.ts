import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { ResourceQuota, ResourceQuotaSpec } from '#api/types.generated.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { startTestServer, type TestAnswer, type TestServer } from '../../api-server.testing.ts';
import { componentUser } from '../../authentication/component-users.ts';

type Amounts = Record<string, string>;

const controller = componentUser('kube-controller-manager');
let spaces = 0;
/** A namespace for each test. */
let namespace: string;
let folder: string;
let store: Store;
/** Two servers on one store. */
let servers: [TestServer, TestServer];
let api: TestServer;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quota-'));
  store = await createSqliteStore({ path: join(folder, 'state.db') });
  servers = [await startTestServer({ store }), await startTestServer({ store })];
  api = servers[0];
});
after(async () => {
  for (const server of servers) await server.stop();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => makeNamespace());

async function makeNamespace(): Promise<void> {
  namespace = `ns-${++spaces}`;
  await api.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await api.request('POST', at('serviceaccounts'), { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } });
}

const at = (plural: string): string => `/api/v1/namespaces/${namespace}/${plural}`;
const zeros = (hard: Amounts): Amounts => Object.fromEntries(Object.keys(hard).map((name) => [name, '0']));

/** A quota whose usage was computed once. */
async function makeQuota(name: string, hard: Amounts, more: Partial<ResourceQuotaSpec> = {}, used = zeros(hard)): Promise<void> {
  const made = await api.request('POST', at('resourcequotas'), {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name },
    spec: { hard, ...more },
  });
  assert.equal(made.status, 201, made.text);
  const status = { hard, used };
  const counted = await api.request('PUT', `${at('resourcequotas')}/${name}/status`, { ...made.json, status });
  assert.equal(counted.status, 200, counted.text);
}

const quotaOf = async (name: string): Promise<ResourceQuota> =>
  (await api.request('GET', `${at('resourcequotas')}/${name}`)).json as unknown as ResourceQuota;
const usedOf = async (name: string) => (await quotaOf(name)).status?.used;
const countOf = async (plural: string): Promise<number> => (await api.request('GET', at(plural))).json.items.length;

const configMap = (name: string, more: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...more } });
const pod = (name: string, resources: object = {}, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i', resources }], ...spec },
});
const create = (server: TestServer, plural: string, body: object, query = ''): Promise<TestAnswer> =>
  server.request('POST', at(plural) + query, body);
const codes = (answers: readonly TestAnswer[]): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

describe('a quota', () => {
  it("refuses what exceeds it, with upstream's words, and counts what it admits", async () => {
    await makeQuota('q', { pods: '2', 'requests.cpu': '1' });
    for (const name of ['a', 'b'])
      assert.equal((await create(api, 'pods', pod(name, { requests: { cpu: '300m' } }))).status, 201);
    const { status, json } = await create(api, 'pods', pod('c', { requests: { cpu: '500m' } }));
    assert.equal(status, 403);
    assert.equal(
      json.message,
      'pods "c" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=500m, used: pods=2,requests.cpu=600m, limited: pods=2,requests.cpu=1',
    );
    assert.deepEqual(await usedOf('q'), { pods: '2', 'requests.cpu': '600m' });
    const { metadata } = await quotaOf('q');
    assert.ok(
      metadata.managedFields?.some(({ manager, subresource }) => manager === 'kube-apiserver' && subresource === 'status'),
    );
  });

  it('asks each container for what it limits', async () => {
    await makeQuota('q', { 'limits.memory': '1Gi', 'requests.cpu': '1', pods: '5' });
    const { json } = await create(api, 'pods', pod('a', { requests: { cpu: '1' } }));
    assert.equal(json.message, 'pods "a" is forbidden: failed quota: q: must specify limits.memory for: c');
    const whole = await create(api, 'pods', pod('b', {}, { resources: { limits: { cpu: '1', memory: '1Gi' } } }));
    assert.equal(whole.status, 201, whole.text);
    assert.deepEqual(await usedOf('q'), { 'limits.memory': '1Gi', 'requests.cpu': '1', pods: '1' });
  });

  it('admits nothing before its use is known', async () => {
    await makeQuota('q', { pods: '2', cpu: '1' }, {}, { pods: '0' });
    const { json } = await create(api, 'pods', pod('a', { requests: { cpu: '1' } }));
    assert.equal(json.message, 'pods "a" is forbidden: status unknown for quota: q, resources: cpu,pods');
  });

  it('counts extended resources and objects of every kind, by both names', async () => {
    await makeQuota('q', { 'requests.example.com/gpu': '3', 'count/pods': '9', configmaps: '1', 'count/replicasets.apps': '1' });
    const gpus = (count: string) => ({ limits: { 'example.com/gpu': count }, requests: { 'example.com/gpu': count } });
    assert.equal((await create(api, 'pods', pod('a', gpus('2')))).status, 201);
    assert.match(
      (await create(api, 'pods', pod('b', gpus('2')))).json.message,
      /requested: requests.example.com\/gpu=2, used: requests.example.com\/gpu=2/,
    );
    assert.equal((await create(api, 'configmaps', configMap('a'))).status, 201);
    assert.match((await create(api, 'configmaps', configMap('b'))).json.message, /requested: configmaps=1/);
    const replicaSet = (name: string) => ({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name },
      spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: pod('').spec } },
    });
    const sets = `/apis/apps/v1/namespaces/${namespace}/replicasets`;
    assert.equal((await api.request('POST', sets, replicaSet('a'))).status, 201);
    assert.match((await api.request('POST', sets, replicaSet('b'))).json.message, /requested: count\/replicasets.apps=1/);
    assert.deepEqual(await usedOf('q'), {
      'requests.example.com/gpu': '2',
      'count/pods': '1',
      configmaps: '1',
      'count/replicasets.apps': '1',
    });
  });

  it('counts services by their type, also when that changes', async () => {
    await makeQuota('q', { services: '3', 'services.nodeports': '2', 'services.loadbalancers': '1' });
    const service = (name: string, type: string, count: number) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { type, ports: Array.from({ length: count }, (_, index) => ({ name: `p${index}`, port: 80 + index })) },
    });
    assert.equal((await create(api, 'services', service('plain', 'ClusterIP', 3))).status, 201);
    assert.equal((await create(api, 'services', service('node', 'NodePort', 1))).status, 201);
    assert.match(
      (await create(api, 'services', service('lb', 'LoadBalancer', 2))).json.message,
      /requested: services.nodeports=2, used: services.nodeports=1/,
    );
    const merge = { 'content-type': 'application/merge-patch+json' };
    const { json } = await api.request('PATCH', `${at('services')}/plain`, { spec: { type: 'NodePort' } }, merge);
    assert.match(json.message, /exceeded quota: q, requested: services.nodeports=3/);
    assert.equal((await api.request('PATCH', `${at('services')}/node`, { spec: { type: 'LoadBalancer' } }, merge)).status, 200);
    assert.deepEqual(await usedOf('q'), { services: '2', 'services.nodeports': '1', 'services.loadbalancers': '1' });
  });

  const high = { scopeName: 'PriorityClass', operator: 'In', values: ['high'] };
  const scopes: [what: string, spec: Partial<ResourceQuotaSpec>, inside: object, outside: object][] = [
    ['Terminating', { scopes: ['Terminating'] }, { activeDeadlineSeconds: 9 }, {}],
    ['NotTerminating', { scopes: ['NotTerminating'] }, {}, { activeDeadlineSeconds: 9 }],
    ['BestEffort', { scopes: ['BestEffort'] }, {}, { resources: { limits: { cpu: '1', memory: '1Gi' } } }],
    ['NotBestEffort', { scopes: ['NotBestEffort'] }, { resources: { limits: { cpu: '1', memory: '1Gi' } } }, {}],
    ['PriorityClass', { scopeSelector: { matchExpressions: [high] } }, { priorityClassName: 'high' }, {}],
    [
      'CrossNamespacePodAffinity',
      { scopes: ['CrossNamespacePodAffinity'] },
      {
        affinity: {
          podAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'a', namespaceSelector: {}, labelSelector: {} }],
          },
        },
      },
      {},
    ],
  ];
  for (const [what, spec, inside, outside] of scopes)
    it(`limits the pods of its scope alone: ${what}`, async () => {
      await api.request('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', {
        apiVersion: 'scheduling.k8s.io/v1',
        kind: 'PriorityClass',
        metadata: { name: 'high' },
        value: 7,
      });
      await makeQuota('q', { pods: '1' }, spec);
      const asked = (name: string, more: object) => create(api, 'pods', pod(name, {}, more));
      assert.equal((await asked('out', outside)).status, 201);
      assert.deepEqual(await usedOf('q'), { pods: '0' });
      const first = await asked('in', inside);
      assert.equal(first.status, 201, first.text);
      assert.deepEqual(await usedOf('q'), { pods: '1' });
      assert.equal((await asked('in-2', inside)).status, 403);
      assert.equal((await asked('out-2', outside)).status, 201);
    });

  it('counts a pod that comes into its scope', async () => {
    await makeQuota('q', { pods: '1' }, { scopes: ['Terminating'] });
    await create(api, 'pods', pod('a'));
    const merge = { 'content-type': 'application/merge-patch+json' };
    await api.request('PATCH', `${at('pods')}/a`, { spec: { activeDeadlineSeconds: 5 } }, merge);
    assert.deepEqual(await usedOf('q'), { pods: '1' });
  });

  it('keeps nothing of a dry run, and gives back what was not written', async () => {
    await makeQuota('q', { 'count/configmaps': '2' });
    assert.equal((await create(api, 'configmaps', configMap('dry'), '?dryRun=All')).status, 201);
    assert.deepEqual(await usedOf('q'), { 'count/configmaps': '0' });
    assert.equal((await create(api, 'configmaps', configMap('a'))).status, 201);
    for (let time = 0; time < 5; time++) assert.equal((await create(api, 'configmaps', configMap('a'))).status, 409);
    assert.equal((await create(api, 'configmaps', configMap('b'))).status, 201);
    assert.deepEqual(await usedOf('q'), { 'count/configmaps': '2' });
    assert.equal((await create(api, 'configmaps', configMap('c'), '?dryRun=All')).status, 403);
  });

  it('of two, neither counts what the other refuses', async () => {
    await makeQuota('few', { 'count/configmaps': '1' });
    await makeQuota('many', { 'count/configmaps': '9' });
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => create(api, 'configmaps', configMap(name))));
    assert.deepEqual([await usedOf('few'), await usedOf('many')], [{ 'count/configmaps': '1' }, { 'count/configmaps': '1' }]);
  });
});

describe('requests at the same time', () => {
  it('never pass a quota, whatever they ask and whichever server', async () => {
    const request = fc.record({
      server: fc.nat(1),
      kind: fc.constantFrom('configmap', 'pod', 'generated', 'dry'),
      name: fc.integer({ min: 0, max: 12 }),
      cpu: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(request, { minLength: 1, maxLength: 24 }), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 16 }),
        async (rounds, maps, cpu) => {
          await makeNamespace();
          await makeQuota('a', { 'count/configmaps': `${maps}`, pods: '6', 'requests.cpu': `${cpu}` });
          await makeQuota('b', { pods: '9', configmaps: `${maps + 1}` });
          for (const round of rounds) {
            await Promise.all(
              round.map(({ server, kind, name, cpu: share }) => {
                const to = servers[server] ?? api;
                if (kind === 'pod') return create(to, 'pods', pod(`p${name}`, { requests: { cpu: `${share}` } }));
                const body = kind === 'generated' ? configMap('', { generateName: 'g-' }) : configMap(`m${name}`);
                return create(to, 'configmaps', body, kind === 'dry' ? '?dryRun=All' : '');
              }),
            );
            const pods = (await api.request('GET', at('pods'))).json.items as unknown as ReturnType<typeof pod>[];
            const requested = pods.reduce((sum, { spec }) => {
              const { requests } = (spec.containers[0]?.resources ?? {}) as { requests?: { cpu: string } };
              return sum + Number(requests?.cpu);
            }, 0);
            const stored = await countOf('configmaps');
            const text = `${stored} maps of ${maps}, ${pods.length} pods, ${requested} cpu of ${cpu}`;
            assert.ok(stored <= maps && pods.length <= 6 && requested <= cpu, text);
            const { used = {} } = (await quotaOf('a')).status ?? {};
            assert.ok(Number(used['count/configmaps']) >= stored && Number(used['requests.cpu']) >= requested, text);
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  it('use a quota up, and no more', async () => {
    await makeQuota('q', { 'count/configmaps': '25' });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => create(servers[index % 2] ?? api, 'configmaps', configMap(`m${index}`))),
    );
    assert.deepEqual(codes(answers), { 201: 25, 403: 35 });
    assert.deepEqual([await countOf('configmaps'), await usedOf('q')], [25, { 'count/configmaps': '25' }]);
  });
});

describe('the count of the controller', () => {
  const countedAs = async (count: string) => {
    const quota = await quotaOf('q');
    const status = { hard: quota.status?.hard, used: { 'count/configmaps': count } };
    return await api.as(controller)('PUT', `${at('resourcequotas')}/q/status`, { ...quota, status });
  };

  it('is refused where it has not seen all that is there', async () => {
    await makeQuota('q', { 'count/configmaps': '9' });
    for (const name of ['a', 'b', 'c']) await create(api, 'configmaps', configMap(name));
    assert.equal((await countedAs('2')).status, 409);
    assert.equal((await countedAs('3')).status, 200);
    await api.request('DELETE', `${at('configmaps')}/a`);
    assert.deepEqual([(await countedAs('2')).status, await usedOf('q')], [200, { 'count/configmaps': '2' }]);
  });

  it('never frees what is reserved and not written yet', async () => {
    await makeQuota('q', { 'count/configmaps': '10' });
    let counting = true;
    const count = (async () => {
      while (counting) {
        await countedAs(String(await countOf('configmaps')));
        // Requests within the process do not yield to the event loop.
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    const answers = await Promise.all(
      Array.from({ length: 80 }, (_, index) => create(api, 'configmaps', configMap(`m${index}`))),
    );
    counting = false;
    await count;
    assert.deepEqual([codes(answers), await countOf('configmaps')], [{ 201: 10, 403: 70 }, 10]);
  });
});

describe('claims', () => {
  it('count by their storage class, also when they grow', async () => {
    const gold = 'gold.storageclass.storage.k8s.io';
    await makeQuota('q', {
      persistentvolumeclaims: '9',
      'requests.storage': '10Gi',
      [`${gold}/requests.storage`]: '5Gi',
      [`${gold}/persistentvolumeclaims`]: '2',
    });
    const claim = (name: string, storageClassName: string, storage: string) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources: { requests: { storage } } },
    });
    const made = await create(api, 'persistentvolumeclaims', claim('a', 'gold', '3Gi'));
    assert.equal(made.status, 201, made.text);
    assert.equal((await create(api, 'persistentvolumeclaims', claim('b', 'tin', '4Gi'))).status, 201);
    const { json } = await create(api, 'persistentvolumeclaims', claim('c', 'gold', '3Gi'));
    assert.equal(
      json.message,
      `persistentvolumeclaims "c" is forbidden: exceeded quota: q, requested: ${gold}/requests.storage=3Gi, used: ${gold}/requests.storage=3Gi, limited: ${gold}/requests.storage=5Gi`,
    );
    assert.deepEqual(await usedOf('q'), {
      persistentvolumeclaims: '2',
      'requests.storage': '7Gi',
      [`${gold}/requests.storage`]: '3Gi',
      [`${gold}/persistentvolumeclaims`]: '1',
    });
  });
});
