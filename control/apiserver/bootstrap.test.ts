import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isNotFound } from '#api/status.ts';
import { startTestServer, type TestServer } from './api-server.testing.ts';
import { bootstrapAtStart, bootstrapOnce } from './bootstrap.ts';
import { silentLog } from './serving/server-log.ts';

const kubernetes = { namespace: 'default', name: 'kubernetes' };
const options = { serviceIp: '10.96.0.1', securePort: 6443 };

describe('what a cluster has from its first moment', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.stop());

  const told: string[] = [];
  const log = {
    ...silentLog,
    error: (fields: object, text: string) => void told.push(`${text}: ${String(Object.values(fields)[0])}`),
  };
  const endpoints = () => server.client.resource('endpoints').get(kubernetes);

  it('is there without endpoints when its address is of this machine alone: the server serves, and says why', async () => {
    await bootstrapAtStart(server.client, { ...options, advertiseAddress: '127.0.0.1' }, log);
    assert.equal((await server.client.resource('services').get(kubernetes)).spec.clusterIP, '10.96.0.1');
    assert.equal((await server.client.resource('namespaces').get({ name: 'kube-system' })).metadata.name, 'kube-system');
    await assert.rejects(endpoints(), (error) => isNotFound(error));
    assert.equal(told.length, 1);
    assert.match(
      told[0] ?? '',
      /^unable to sync kubernetes service: .*"kubernetes" is invalid: subsets\[0\]\.addresses\[0\]\.ip: Invalid value: "127\.0\.0\.1": may not be in the loopback range/,
    );
  });

  it('gets its endpoints when a later start has an address that others reach', async () => {
    await bootstrapAtStart(server.client, { ...options, advertiseAddress: '192.0.2.1' }, log);
    assert.deepEqual((await endpoints()).subsets?.[0]?.addresses, [{ ip: '192.0.2.1' }]);
    const slice = await server.client.resource('endpointslices.discovery.k8s.io').get(kubernetes);
    assert.deepEqual(slice.endpoints?.[0]?.addresses, ['192.0.2.1']);
    assert.equal(told.length, 1);
  });

  it('can be repeated', async () => {
    const before = await endpoints();
    await bootstrapOnce(server.client, { ...options, advertiseAddress: '192.0.2.1' });
    assert.equal((await endpoints()).metadata.resourceVersion, before.metadata.resourceVersion);
  });
});
