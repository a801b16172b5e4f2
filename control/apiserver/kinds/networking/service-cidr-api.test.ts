/** What upstream's conformance tests ask of ServiceCIDRs and IPAddresses (`test/e2e/network/service_cidrs.go`). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';
import { DefaultServiceCidr } from '../../default-service-cidr.ts';
import { silentLog } from '../../serving/server-log.ts';

const group = '/apis/networking.k8s.io/v1';
const parentRef = { group: 'mygroup', resource: 'myresources', namespace: 'foo', name: 'bar' };
const address = (name: string, type: string): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IPAddress',
  metadata: { name, labels: { type } },
  spec: { parentRef },
});
const merge = { 'content-type': 'application/merge-patch+json' };

describe('the API of ServiceCIDRs and IPAddresses', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
    const events = { event: () => undefined };
    await new DefaultServiceCidr({ client: api.client, clock: new FakeClock(), events, log: silentLog }, ['10.96.0.0/16']).sync();
  });
  after(() => api.stop());

  it('is in discovery', async () => {
    const { json } = await api.request('GET', group);
    const listed = (json as unknown as { resources: { name: string; verbs: string[]; shortNames?: string[] }[] }).resources;
    const of = (name: string) => listed.find((one) => one.name === name);
    const all = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
    assert.deepEqual([of('servicecidrs')?.verbs, of('ipaddresses')?.verbs, of('ipaddresses')?.shortNames], [all, all, ['ip']]);
    assert.deepEqual(of('servicecidrs/status')?.verbs, ['get', 'patch', 'update']);
  });

  it('gives the default ServiceCIDR and its status, lists and watches', async () => {
    const found = await api.request('GET', `${group}/servicecidrs/kubernetes`);
    const status = await api.request('GET', `${group}/servicecidrs/kubernetes/status`);
    assert.deepEqual([status.status, status.json.kind, status.json.metadata.uid], [200, 'ServiceCIDR', found.json.metadata.uid]);
    assert.equal((await api.request('GET', `${group}/servicecidrs`)).json.items.length, 1);
    const { text } = await api.request('GET', `${group}/servicecidrs?watch=1&timeoutSeconds=1`);
    assert.equal(JSON.parse(text.split('\n')[0] ?? '').type, 'ADDED');
  });

  it('makes, changes, lists, watches and deletes IPAddresses', async () => {
    const path = `${group}/ipaddresses`;
    const made = await api.request('POST', path, address('255.255.255.255', 'broadcast'));
    assert.equal(made.status, 201);
    assert.equal((await api.request('POST', path, address('fe80::42:1dff:fe84:f9e2', 'link-local'))).status, 201);
    const patched = await api.request(
      'PATCH',
      `${path}/255.255.255.255`,
      { metadata: { annotations: { patched: 'true' } } },
      merge,
    );
    assert.equal(patched.json.metadata.annotations?.['patched'], 'true');
    assert.ok(Number(patched.json.metadata.resourceVersion) > Number(made.json.metadata.resourceVersion));
    const { json: read } = await api.request('GET', `${path}/255.255.255.255`);
    const body = { ...(read as object), metadata: { ...read.metadata, annotations: { patched: 'true', updated: 'true' } } };
    const updated = await api.request('PUT', `${path}/255.255.255.255`, body);
    assert.equal(updated.json.metadata.annotations?.['updated'], 'true');
    assert.equal((await api.request('GET', `${path}?labelSelector=type%3Dbroadcast`)).json.items.length, 1);
    const { text } = await api.request('GET', `${path}?watch=1&timeoutSeconds=1&labelSelector=type%3Dbroadcast`);
    assert.equal(JSON.parse(text.split('\n')[0] ?? '').object.metadata.name, '255.255.255.255');
    assert.equal((await api.request('DELETE', `${path}/255.255.255.255`)).status, 200);
    assert.equal((await api.request('DELETE', `${path}?labelSelector=type%3Dlink-local`)).status, 200);
    assert.equal((await api.request('GET', `${path}?labelSelector=type%3Dlink-local`)).json.items.length, 0);
  });

  it('shows the addresses of services, which come and go with them', async () => {
    const services = '/api/v1/namespaces/default/services';
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { ports: [{ port: 80 }], clusterIP: '10.96.0.9' },
    };
    assert.equal((await api.request('POST', services, service)).status, 201);
    const { json } = await api.request('GET', `${group}/ipaddresses/10.96.0.9`);
    assert.deepEqual(
      [(json.spec as unknown as { parentRef: object }).parentRef, json.metadata.labels],
      [
        { resource: 'services', namespace: 'default', name: 'web' },
        { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' },
      ],
    );
    const selector = 'ipaddress.kubernetes.io%2Fmanaged-by%3Dipallocator.k8s.io';
    assert.equal((await api.request('GET', `${group}/ipaddresses?labelSelector=${selector}`)).json.items.length, 1);
    // Somebody else's object keeps its address from services.
    assert.equal((await api.request('POST', `${group}/ipaddresses`, address('10.96.0.20', 'mine'))).status, 201);
    const other = { ...service, metadata: { name: 'other' }, spec: { ports: [{ port: 80 }], clusterIP: '10.96.0.20' } };
    assert.match(String((await api.request('POST', services, other)).json.message), /provided IP is already allocated/);
    await api.request('DELETE', `${services}/web`);
    assert.equal((await api.request('GET', `${group}/ipaddresses/10.96.0.9`)).status, 404);
  });
});
