import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { mustParseCidr } from '#api/ip.ts';
import type { Service } from '#api/types.generated.ts';
import { startWorld, type World } from './cluster.testing.ts';
import { addressesFor } from './load-balancer.ts';

const namespace = 'default';

describe('the address of a Service', () => {
  const service = (spec: object, ips: string[] = []): Service =>
    ({ metadata: { name: 'x' }, spec, status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } } }) as unknown as Service;
  const pool = ['10.0.0.0/30', 'fd00::/126'].map(mustParseCidr);
  const of = (spec: object, taken: string[] = [], ips: string[] = []) => addressesFor(service(spec, ips), pool, new Set(taken));
  it('is the first that is free, and stays', () => {
    assert.deepEqual(of({}), ['10.0.0.0']);
    assert.deepEqual(of({}, ['10.0.0.0', '10.0.0.1']), ['10.0.0.2']);
    assert.deepEqual(of({}, ['10.0.0.0'], ['10.0.0.3']), ['10.0.0.3']);
    assert.deepEqual(of({}, ['10.0.0.3'], ['10.0.0.3']), ['10.0.0.0'], 'somebody else has it');
    assert.deepEqual(of({}, [], ['10.9.9.9']), ['10.0.0.0'], 'it is of no pool any more');
  });
  it('is one of each family that the pool has', () => {
    assert.deepEqual(of({ ipFamilies: ['IPv6', 'IPv4'] }), ['fd00::', '10.0.0.0']);
    assert.throws(() => addressesFor(service({ ipFamilies: ['IPv6'] }), pool.slice(0, 1), new Set()), {
      message: 'the pool has no addresses of IPv6',
    });
  });
  it('is that which is asked for, or none', () => {
    assert.deepEqual(of({ loadBalancerIP: '10.0.0.2' }), ['10.0.0.2']);
    assert.throws(() => of({ loadBalancerIP: '10.0.0.2' }, ['10.0.0.2']), /10\.0\.0\.2 is in use/);
    assert.throws(() => of({ loadBalancerIP: '10.1.0.2' }), /10\.1\.0\.2 is not in the pool/);
    const all = ['10.0.0.0', '10.0.0.1', '10.0.0.2', '10.0.0.3'];
    assert.throws(() => of({}, all), { message: 'no address of IPv4 is free in the pool' });
  });
});

describe('the load balancer controller', { timeout: 120_000 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld({ loadBalancerPool: ['192.0.2.8/31'] });
  });
  after(() => world.stop());
  const services = () => world.client.resource('services');
  const make = async (name: string, more: object = {}): Promise<void> => {
    const spec = { type: 'LoadBalancer', selector: { app: name }, ports: [{ port: 80 }], ...more };
    await services().create({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec } as unknown as Service);
  };
  const get = (name: string): Promise<Service> => services().get({ namespace, name });
  const ips = async (name: string): Promise<string> =>
    ((await get(name)).status?.loadBalancer?.ingress ?? []).map(({ ip, ipMode }) => `${ip} ${ipMode}`).join();
  const has = (name: string, wanted: string): Promise<unknown> =>
    world.until(`${name} has ${wanted}`, async () => (await ips(name)) === wanted);
  const told = (name: string, text: string): Promise<unknown> =>
    world.until(`${name}: ${text}`, async () =>
      (await world.client.resource('events').list({ namespace })).items.some(
        ({ involvedObject, type, reason, message }) =>
          involvedObject.kind === 'Service' && involvedObject.name === name && `${type} ${reason} ${message}` === text,
      ),
    );

  it('gives addresses, one Service each, and gives them back', async () => {
    await make('a');
    await has('a', '192.0.2.8 VIP');
    assert.deepEqual((await get('a')).metadata.finalizers, ['service.kubernetes.io/load-balancer-cleanup']);
    await told('a', 'Normal EnsuringLoadBalancer Ensuring load balancer');
    await told('a', 'Normal EnsuredLoadBalancer Ensured load balancer');
    await make('b', { externalTrafficPolicy: 'Local' });
    await has('b', '192.0.2.9 VIP');
    await make('c');
    await told(
      'c',
      'Warning SyncLoadBalancerFailed Error syncing load balancer: failed to ensure load balancer: no address of IPv4 is free in the pool',
    );
    assert.equal(await ips('c'), '');
    await services().delete({ namespace, name: 'a' });
    await has('c', '192.0.2.8 VIP');
    await told('a', 'Normal DeletedLoadBalancer Deleted load balancer');
    const { items } = await services().list({ namespace });
    assert.ok(!items.some(({ metadata }) => metadata.name === 'a'), 'it is gone');
  });

  it('takes the address away when the Service needs none any more, and leaves others’ classes alone', async () => {
    await services().patch(
      { namespace, name: 'b' },
      { type: 'merge', body: { spec: { type: 'ClusterIP', externalTrafficPolicy: null } } },
    );
    await world.until('no finalizer', async () => ((await get('b')).metadata.finalizers ?? []).length === 0);
    assert.equal(await ips('b'), '');
    await make('d', { loadBalancerClass: 'example.com/other' });
    await make('e');
    await has('e', '192.0.2.9 VIP');
    assert.deepEqual([await ips('d'), (await get('d')).metadata.finalizers], ['', undefined]);
  });
});
