import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { startTestServer } from '../../../api-server.testing.ts';

it('an IPAddress that a service still needs is made again within a second, and one that none needs is not', async () => {
  const clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
  const told: string[] = [];
  const recorder = { event: (_about: object, _type: string, reason: string) => void told.push(reason) };
  const api = await startTestServer({ clock, events: { ips: recorder, ports: recorder } });
  try {
    const services = '/api/v1/namespaces/default/services';
    const address = '/apis/networking.k8s.io/v1/ipaddresses/10.96.0.50';
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { clusterIP: '10.96.0.50', ports: [{ port: 80 }] },
    };
    assert.equal((await api.request('POST', services, service)).status, 201);
    const { uid } = (await api.request('GET', address)).json.metadata;
    assert.equal((await api.request('DELETE', address)).status, 200);
    assert.equal((await api.request('GET', address)).status, 404);
    await clock.advance(1000);
    // A repair takes some ten round trips to the store; these go through it in order.
    for (let trip = 0; trip < 60; trip++) await api.store.get('/registry/ranges/servicenodeports');
    const again = await api.request('GET', address);
    assert.equal(again.status, 200);
    assert.notEqual(again.json.metadata.uid, uid);
    assert.deepEqual(told, ['ClusterIPNotAllocated']);
    await api.request('DELETE', `${services}/web`);
    await clock.advance(1000);
    assert.equal((await api.request('GET', address)).status, 404);
  } finally {
    await api.stop();
  }
});
