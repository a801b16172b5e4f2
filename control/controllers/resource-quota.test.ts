import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import type { Pod, ResourceQuotaSpec } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';
import { createInformers } from '#client/informers.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import { startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';
import { componentUser } from '#control/apiserver/authentication/component-users.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';
import { until } from '#lab/until.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';
import { runControllers } from './index.ts';

type Amounts = Record<string, string>;

const container = (resources: object = {}) => ({ name: 'c', image: 'i', resources });
const pod = (name: string, resources: object = {}, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { automountServiceAccountToken: false, containers: [container(resources)], ...spec },
});
const configMap = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } });

describe('a quota in a cluster', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await world.until(
      'the service account',
      async () => (await world.client.resource('serviceaccounts').list({ namespace: 'default' })).items.length === 1,
    );
  });
  after(() => world.stop());

  const quotas = () => world.client.resource('resourcequotas');
  const make = async (name: string, hard: Amounts, more: Partial<ResourceQuotaSpec> = {}) => {
    await quotas().create({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name, namespace: 'default' },
      spec: { hard, ...more },
    });
  };
  const until = (name: string, used: Amounts) =>
    world.until(`quota ${name} uses ${JSON.stringify(used)}`, async () => {
      const { status, spec } = await quotas().get({ namespace: 'default', name });
      return JSON.stringify([status?.hard, status?.used]) === JSON.stringify([spec.hard, used]);
    });

  it('is counted when it is made, and follows what comes and goes', async () => {
    await world.client.resource('configmaps').create(configMap('before'));
    await make('life', { 'count/configmaps': '4', services: '3', 'services.nodeports': '1', 'count/replicasets.apps': '1' });
    const idle = { 'count/configmaps': '1', services: '0', 'services.nodeports': '0', 'count/replicasets.apps': '0' };
    await until('life', idle);
    await world.client.resource('configmaps').create(configMap('a'));
    const ports = [{ port: 80 }];
    const service = (name: string, type: string) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { type, ports },
    });
    await world.client.resource('services').create(service('plain', 'ClusterIP'));
    await world.client.resource('services').create(service('node', 'NodePort'));
    await assert.rejects(
      world.client.resource('services').create(service('lb', 'LoadBalancer')),
      /exceeded quota: life, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1/,
    );
    await until('life', { ...idle, 'count/configmaps': '2', services: '2', 'services.nodeports': '1' });
    await world.client.resource('configmaps').delete({ namespace: 'default', name: 'a' });
    await world.client.resource('services').delete({ namespace: 'default', name: 'plain' });
    await world.client.resource('services').delete({ namespace: 'default', name: 'node' });
    await until('life', idle);
    await quotas().delete({ namespace: 'default', name: 'life' });
  });

  it('counts a pod until it ends', async () => {
    await world.addNode('n1');
    await make('pods', { pods: '2', 'requests.cpu': '1', 'limits.memory': '1Gi' });
    await until('pods', { pods: '0', 'requests.cpu': '0', 'limits.memory': '0' });
    const resources = { requests: { cpu: '500m', memory: '100Mi' }, limits: { memory: '200Mi' } };
    await world.client.resource('pods').create(pod('a', resources));
    await until('pods', { pods: '1', 'requests.cpu': '500m', 'limits.memory': '200Mi' });
    await assert.rejects(
      world.client.resource('pods').create(pod('b', { ...resources, requests: { cpu: '600m' } })),
      /exceeded quota/,
    );
    const ended: Pod = await world.client.resource('pods').get({ namespace: 'default', name: 'a' });
    await world.client.resource('pods').updateStatus({ ...ended, status: { ...ended.status, phase: 'Succeeded' } });
    await until('pods', { pods: '0', 'requests.cpu': '0', 'limits.memory': '0' });
    await world.client.resource('pods').delete({ namespace: 'default', name: 'a' });
    await quotas().delete({ namespace: 'default', name: 'pods' });
  });

  it('counts the pods of its scope alone', async () => {
    await make('short', { pods: '5' }, { scopes: ['Terminating'] });
    await make('long', { pods: '5' }, { scopes: ['NotTerminating'] });
    await until('long', { pods: '0' });
    await until('short', { pods: '0' });
    await world.client.resource('pods').create(pod('short', {}, { activeDeadlineSeconds: 3600 }));
    await until('short', { pods: '1' });
    await until('long', { pods: '0' });
    await world.client.resource('pods').delete({ namespace: 'default', name: 'short' });
    await until('short', { pods: '0' });
    for (const name of ['short', 'long']) await quotas().delete({ namespace: 'default', name });
  });

  it('is counted anew when it changes, and when somebody has written its status', async () => {
    await make('changed', { 'count/configmaps': '9' });
    await until('changed', { 'count/configmaps': '1' });
    const patch = { type: 'merge', body: { spec: { hard: { 'count/configmaps': '3', 'count/secrets': '1' } } } } as const;
    await quotas().patch({ namespace: 'default', name: 'changed' }, patch);
    await until('changed', { 'count/configmaps': '1', 'count/secrets': '0' });
    const { status, ...quota } = await quotas().get({ namespace: 'default', name: 'changed' });
    await quotas().updateStatus({ ...quota, status: { hard: { ...status?.hard, 'count/secrets': '7' } } });
    await world.clock.advance(300_000);
    await until('changed', { 'count/configmaps': '1', 'count/secrets': '0' });
    await quotas().delete({ namespace: 'default', name: 'changed' });
  });
});

describe('a quota while objects come and go at the same time', () => {
  let api: TestServer;
  let running: Promise<void>;
  const abort = new AbortController();
  const log = pino({ level: 'silent' });
  const maps = '/api/v1/namespaces/default/configmaps';
  const quotaPath = '/api/v1/namespaces/default/resourcequotas';

  before(async () => {
    api = await startTestServer();
    const client = createClient(inProcessTransport(api.server, componentUser('kube-controller-manager')), { userAgent: 'test' });
    const informers = createInformers({ client, clock: systemClock, log });
    const leftOut = createLeftOutReporter({ events: { event: () => undefined }, log });
    const deps = { client, catalog: api.server.resources, clock: systemClock, log, leftOut, informers };
    running = Promise.all([informers.run(abort.signal), runControllers(deps, {}, abort.signal)]).then(() => undefined);
  });
  after(async () => {
    abort.abort();
    await running;
    await api.stop();
  });

  const limit = 12;
  const counted = async (used: number): Promise<void> => {
    const isCounted = async (): Promise<boolean> => {
      const { status } = (await api.request('GET', `${quotaPath}/q`)).json as unknown as { status?: { used?: Amounts } };
      return status?.used?.['count/configmaps'] === `${used}`;
    };
    await until(`the quota to be counted as ${used}`, isCounted, { timeoutMs: 30_000 });
  };

  it('is never passed, and in the end says what is there', async () => {
    const stored = async (): Promise<string[]> =>
      (await api.request('GET', maps)).json.items.map(({ metadata }) => metadata.name ?? '');
    await api.request('POST', quotaPath, {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'q' },
      spec: { hard: { 'count/configmaps': `${limit}` } },
    });
    await counted((await stored()).length);
    let created = 0;
    const worker = async (own: number): Promise<void> => {
      for (let round = 0; round < 30; round++) {
        // Requests within the process would leave no turn of the event loop to the controller's watches.
        await new Promise((resolve) => setTimeout(resolve, 5));
        const name = `m-${own}-${round}`;
        const { status } = await api.request('POST', maps, { ...configMap(name), metadata: { name } });
        const now = (await stored()).length;
        assert.ok(now <= limit, `${now} of ${limit}`);
        if (status !== 201) continue;
        created++;
        if (own !== 0 || round !== 0) await api.request('DELETE', `${maps}/${name}`);
      }
    };
    await Promise.all(Array.from({ length: 24 }, (_, own) => worker(own)));
    assert.ok(created > limit, `only ${created} were made`);
    await counted((await stored()).length);
  });
});
