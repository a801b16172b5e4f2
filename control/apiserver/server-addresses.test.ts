import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { MemoryStore } from '#control/store/memory.ts';
import { startTestServer } from './api-server.testing.ts';
import { bootstrapOnce } from './bootstrap.ts';
import { SharedAddresses } from './server-addresses.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the addresses of several API servers on one store', () => {
  it('each is there while it renews; one that has died goes after 15 seconds, one that ends goes at once', async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    const [a, b, c] = ['192.0.2.3', '192.0.2.1', '192.0.2.2'].map((address) => new SharedAddresses(store, address));
    await a?.renew();
    await b?.renew();
    assert.deepEqual(await c?.renew(), ['192.0.2.1', '192.0.2.2', '192.0.2.3']);
    const before = await store.currentRevision();
    for (let round = 0; round < 2; round++) {
      await clock.advance(10_000);
      await settled();
      await a?.renew();
      await c?.renew();
    }
    assert.deepEqual(await a?.renew(), ['192.0.2.2', '192.0.2.3'], 'b did not renew');
    assert.equal(await store.currentRevision(), before + 1, 'to renew costs no write; the end of a key is one');
    await c?.withdraw();
    await c?.withdraw();
    assert.deepEqual(await a?.renew(), ['192.0.2.3']);
    assert.deepEqual(await b?.renew(), ['192.0.2.1', '192.0.2.3'], 'b is back');
  });

  it('is taken over from an earlier process, whose lease then takes nothing away', async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    await new SharedAddresses(store, '192.0.2.1').renew();
    await clock.advance(10_000);
    const again = new SharedAddresses(store, '192.0.2.1');
    await again.renew();
    await clock.advance(10_000);
    await settled();
    assert.equal((await store.range({ prefix: '/registry/masterleases/' })).count, 1);
    await store.delete('/registry/masterleases/192.0.2.1');
    await again.renew();
    assert.equal((await store.range({ prefix: '/registry/masterleases/' })).count, 1, 'one that was removed comes back');
  });

  it("are the endpoints of the Service kubernetes, whichever server writes them; another family's are left out", async () => {
    const server = await startTestServer();
    try {
      const options = { serviceIp: '10.96.0.1', securePort: 6443 };
      for (const advertiseAddress of ['192.0.2.2', '192.0.2.1']) {
        const addresses = new SharedAddresses(server.store, advertiseAddress);
        await bootstrapOnce(server.client, { ...options, advertiseAddress, addresses });
      }
      await new SharedAddresses(server.store, '2001:db8::1').renew();
      const addresses = new SharedAddresses(server.store, '192.0.2.1');
      await bootstrapOnce(server.client, { ...options, advertiseAddress: '192.0.2.1', addresses });
      const name = { namespace: 'default', name: 'kubernetes' };
      const { subsets } = await server.client.resource('endpoints').get(name);
      assert.deepEqual(subsets?.[0]?.addresses, [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }]);
      const { endpoints } = await server.client.resource('endpointslices.discovery.k8s.io').get(name);
      assert.deepEqual(
        endpoints?.map((endpoint) => endpoint.addresses),
        [['192.0.2.1'], ['192.0.2.2']],
      );
    } finally {
      await server.stop();
    }
  });
});
