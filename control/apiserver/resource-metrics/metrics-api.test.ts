/** metrics.k8s.io on a server, over kubelets that are streams of text. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { createOpenApi } from '#api/schema/openapi.ts';
import type { Node } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import type { KindCatalog } from '../catalog.ts';
import { openApiRoute } from '../discovery/openapi-route.ts';
import { silentLog } from '../serving/server-log.ts';
import { KubeletScraper } from './kubelet-scraper.ts';
import { metricsKinds } from './metrics-kinds.ts';
import { ensureMetricsReader } from './resource-metrics.ts';
import { UsageStore } from './usage-store.ts';

const group = '/apis/metrics.k8s.io/v1beta1';
const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };

interface Metrics {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; creationTimestamp: string };
  timestamp: string;
  window: string;
  usage: object;
  containers: { name: string; usage: object }[];
}

describe('metrics.k8s.io', () => {
  let api: TestServer;
  const clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
  const store = new UsageStore(15_000);
  let scraper: KubeletScraper | undefined;
  const stop = new AbortController();
  const cpuOf = new Map([
    ['n1', 1],
    ['n2', 1],
  ]);
  /** What the kubelet of a node says; absent: what is right. */
  const says = new Map<string, () => AsyncIterable<Uint8Array>>();

  const usageText = (node: string): string => {
    const [time, cpu] = [clock.now(), cpuOf.get(node) ?? 0];
    return ['web', 'db', 'foreign']
      .flatMap((pod) =>
        ['c', 'side'].flatMap((container) => {
          const labels = `{container="${container}",namespace="default",pod="${pod}"}`;
          return [
            `container_cpu_usage_seconds_total${labels} ${cpu} ${time}`,
            `container_memory_working_set_bytes${labels} 1048576 ${time}`,
          ];
        }),
      )
      .concat(`node_cpu_usage_seconds_total ${cpu * 4} ${time}`, `node_memory_working_set_bytes 2147483648 ${time}`, '')
      .join('\n');
  };
  async function* whole(text: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }
  /** One round of scrapes, after 15 seconds and `cpu` seconds of use. */
  const round = async (cpu: number): Promise<void> => {
    for (const [node, used] of cpuOf) cpuOf.set(node, used + cpu);
    await clock.advance(15_000);
    await scraper?.round(stop.signal);
  };

  before(async () => {
    const deps = ({ resources }: KindCatalog) => ({ openapi: openApiRoute(createOpenApi(resources, 'v1.36.0', () => ({}))) });
    api = await startTestServer({ deps, modes: ['RBAC'] });
    const { registry } = api.server;
    await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    for (const name of ['n1', 'n2'])
      await api.request('POST', '/api/v1/nodes', { kind: 'Node', apiVersion: 'v1', metadata: { name, labels: { on: name } } });
    for (const [name, node] of [
      ['web', 'n1'],
      ['db', 'n2'],
      ['pending', ''],
    ] as const) {
      const path = '/api/v1/namespaces/default/pods';
      const spec = { ...(node === '' ? {} : { nodeName: node }), containers: [{ name: 'c', image: 'i' }] };
      const made = await api.request('POST', path, {
        kind: 'Pod',
        apiVersion: 'v1',
        metadata: { name, labels: { app: name } },
        spec,
      });
      assert.equal(made.status, 201, made.text);
      if (node !== '')
        await api.request(
          'PATCH',
          `${path}/${name}/status`,
          { status: { phase: 'Running' } },
          {
            'content-type': 'application/merge-patch+json',
          },
        );
    }
    for (const kind of metricsKinds({
      store,
      clock,
      list: (resource, namespace) => registry.list(resource, namespace),
      read: (resource, namespace, name) => registry.read(resource, namespace, name),
    }))
      await api.server.addKind(kind);
    scraper = new KubeletScraper(
      {
        clock,
        log: silentLog,
        store,
        random: () => 0,
        nodes: async () => (await registry.list('nodes', undefined)) as Node[],
        ask: async ({ metadata: { name } }) => ({ status: 200, body: says.get(name)?.() ?? whole(usageText(name)) }),
      },
      { resolutionMs: 15_000, timeoutMs: 50 },
    );
  });
  after(async () => {
    stop.abort();
    await scraper?.idle();
    await api.stop();
  });
  const get = async (path: string, headers?: Record<string, string>) =>
    await api.request('GET', `${group}${path}`, undefined, headers);
  const items = async (path: string): Promise<Metrics[]> => (await get(path)).json.items as unknown as Metrics[];
  const names = async (path: string): Promise<string[]> => (await items(path)).map(({ metadata }) => metadata.name);

  it('has nothing before two scrapes', async () => {
    await round(1);
    await scraper?.idle();
    assert.deepEqual(await items('/nodes'), []);
    const missing = await get('/nodes/n1');
    assert.deepEqual([missing.status, missing.json.message], [404, 'nodemetrics.metrics.k8s.io "n1" not found']);
    const pod = await get('/namespaces/default/pods/web');
    assert.deepEqual([pod.status, pod.json.message], [404, 'podmetrics.metrics.k8s.io "default/web" not found']);
    assert.equal((await get('/namespaces/default/pods/nothing')).json.message, 'pods "nothing" not found');
  });

  it('tells the use of nodes and pods, with their labels', async () => {
    await round(1.5);
    await scraper?.idle();
    const { metadata, ...node } = (await items('/nodes'))[0] as Metrics;
    assert.deepEqual(node, { timestamp: '2026-01-01T00:00:30Z', window: '15s', usage: { cpu: '400m', memory: '2Gi' } });
    assert.deepEqual([metadata.name, metadata.labels], ['n1', { on: 'n1' }]);
    const web = (await get('/namespaces/default/pods/web')).json as unknown as Metrics;
    assert.deepEqual([web.kind, web.metadata.namespace, web.metadata.labels], ['PodMetrics', 'default', { app: 'web' }]);
    assert.deepEqual(web.containers, [
      { name: 'c', usage: { cpu: '100m', memory: '1Mi' } },
      { name: 'side', usage: { cpu: '100m', memory: '1Mi' } },
    ]);
  });

  it('lists pods that run, on their own nodes, by namespace and selectors', async () => {
    assert.deepEqual(await names('/pods'), ['db', 'web']);
    assert.deepEqual(await names('/namespaces/default/pods?labelSelector=app%3Dweb'), ['web']);
    assert.deepEqual(await names('/pods?fieldSelector=metadata.name%3Ddb'), ['db']);
    assert.deepEqual(await names('/namespaces/kube-system/pods'), []);
    assert.deepEqual(await names('/nodes?labelSelector=on%3Dn2'), ['n2']);
  });

  it('shows tables, and speaks protobuf', async () => {
    const { json } = await get('/pods', table);
    assert.deepEqual(
      json.columnDefinitions.map(({ name }) => name),
      ['Name', 'cpu', 'memory', 'Window'],
    );
    assert.deepEqual(
      json.rows.map(({ cells }) => cells),
      [
        ['db', '200m', '2Mi', '15s'],
        ['web', '200m', '2Mi', '15s'],
      ],
    );
    assert.equal((await get('/nodes', { accept: 'application/vnd.kubernetes.protobuf' })).status, 200);
  });

  it('is found by discovery behind the built-in groups, and described', async () => {
    const { resources } = (await get('')).json as unknown as { resources: object[] };
    assert.deepEqual(resources, [
      { name: 'nodes', singularName: '', namespaced: false, kind: 'NodeMetrics', verbs: ['get', 'list'] },
      { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] },
    ]);
    assert.equal((await api.request('GET', '/apis')).json.groups.at(-1)?.name, 'metrics.k8s.io');
    const openapi = (await api.request('GET', `/openapi/v3${group}`)).text;
    assert.match(openapi, /PodMetrics/);
    assert.equal((await get('/pods?watch=1')).status, 405);
  });

  it('is for whom a role allows it', async () => {
    const jane = api.as({ name: 'jane', groups: ['system:authenticated'], extra: {} });
    assert.equal((await jane('GET', `${group}/nodes`)).status, 403);
    await ensureMetricsReader(api.client);
    await ensureMetricsReader(api.client);
    const role = (await api.request('GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregated-metrics-reader'))
      .json;
    assert.equal(role.metadata.labels?.['rbac.authorization.k8s.io/aggregate-to-view'], 'true');
    await api.request('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'jane' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:aggregated-metrics-reader' },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'jane' }],
    });
    assert.equal((await jane('GET', `${group}/nodes`)).status, 200);
  });

  it('goes on for the other nodes while one kubelet does not answer, or never ends', { timeout: 20_000 }, async () => {
    const line = Buffer.from('x'.repeat(65_536));
    const hostile: (() => AsyncIterable<Uint8Array>)[] = [
      async function* hangs() {
        await new Promise((resolve) => setTimeout(resolve, 200));
        yield line;
      },
      async function* endless() {
        for (;;) yield line;
      },
    ];
    const used = { cpu: '800m', memory: '2Gi' };
    for (const kubelet of hostile) {
      says.set('n1', kubelet);
      await round(3);
      const cpu = async (): Promise<unknown> => (await items('/nodes')).find(({ metadata }) => metadata.name === 'n2')?.usage;
      for (let turn = 0; turn < 1000 && !isDeepStrictEqual(await cpu(), used); turn++) await new Promise(setImmediate);
      assert.deepEqual(await cpu(), used);
      await scraper?.idle();
    }
    says.delete('n1');
    await round(1.5);
    await scraper?.idle();
    assert.deepEqual(await names('/nodes'), ['n1', 'n2']);
  });
});
