import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { New } from '#api/meta.ts';
import type { IPAddress, Service, ServiceCIDR } from '#api/types.generated.ts';
import { startWorld, type World } from './cluster.testing.ts';
import { mayGo } from './service-cidrs.ts';

const resource = 'servicecidrs.networking.k8s.io';
const serviceCidr = (name: string, ...cidrs: string[]): ServiceCIDR =>
  ({ apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name }, spec: { cidrs } }) as ServiceCIDR;
const address = (name: string, labels: Record<string, string> = { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' }) =>
  ({ metadata: { name, labels } }) as unknown as IPAddress;

describe('whether a ServiceCIDR may go', () => {
  const cases: [what: string, cidrs: string[], others: string[][], taken: IPAddress[], expected: boolean][] = [
    ['nobody has an address', ['10.1.0.0/24'], [], [], true],
    ['a service has one', ['10.1.0.0/24'], [], [address('10.1.0.7')], false],
    ['a service has one of another range', ['10.1.0.0/24'], [], [address('10.2.0.7')], true],
    ['a larger range has it, too', ['10.1.0.0/24'], [['10.1.0.0/16']], [address('10.1.0.7')], true],
    ['the same range is there again', ['10.1.0.0/24'], [['10.1.0.0/24']], [address('10.1.0.7')], true],
    ['a smaller range has it, too', ['10.1.0.0/24'], [['10.1.0.0/28']], [address('10.1.0.7')], true],
    ['a smaller range does not have it', ['10.1.0.0/24'], [['10.1.0.0/29']], [address('10.1.0.7')], false],
    ['only one of two ranges has a larger one', ['10.1.0.0/24', 'fd00::/112'], [['10.1.0.0/16']], [address('fd00::5')], false],
    ['both ranges have larger ones', ['10.1.0.0/24', 'fd00::/112'], [['10.1.0.0/16'], ['fd00::/64']], [address('fd00::5')], true],
    ['the address is not of the API server', ['10.1.0.0/24'], [], [address('10.1.0.7', {})], true],
    ['it is the address of the network', ['10.1.0.0/24'], [], [address('10.1.0.0'), address('10.1.0.255')], true],
    ['it is the last one of IPv6', ['fd00::/112'], [], [address('fd00::ffff')], false],
    ['the names are no addresses', ['10.1.0.0/24', 'ten'], [['x']], [address('ten')], true],
  ];
  for (const [what, cidrs, others, taken, expected] of cases)
    it(`${expected ? 'it may' : 'it may not'} when ${what}`, () => {
      const going = serviceCidr('going', ...cidrs);
      const all = [going, ...others.map((one, index) => serviceCidr(`other-${index}`, ...one))];
      assert.equal(mayGo(going, all, taken), expected);
    });
});

describe('the ServiceCIDR controller', () => {
  let world: World;
  beforeEach(async () => void (world = await startWorld()));
  afterEach(() => world.stop());
  const client = () => world.client.resource(resource);
  const get = async (name: string): Promise<ServiceCIDR | undefined> =>
    (await client().list()).items.find(({ metadata }) => metadata.name === name);
  const condition = async (name: string): Promise<string> => {
    const ready = (await get(name))?.status?.conditions?.find(({ type }) => type === 'Ready');
    return `${ready?.status} ${ready?.reason}`;
  };
  const service = (name: string, clusterIP: string): New<Service> =>
    ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { clusterIP, ports: [{ port: 80 }] },
    }) as New<Service>;

  it('makes a new one ready, so that services get addresses of it, and keeps it until they are gone', async () => {
    await client().create(serviceCidr('more', '203.0.113.0/24') as New<ServiceCIDR>);
    await world.until('it is ready', async () => (await condition('more')) === 'True ');
    assert.deepEqual((await get('more'))?.metadata.finalizers, ['networking.k8s.io/service-cidr-finalizer']);
    await world.client.resource('services').create(service('web', '203.0.113.10'));
    await client().delete({ name: 'more' });
    await world.until('it says why it stays', async () => (await condition('more')) === 'False Terminating');
    await assert.rejects(
      world.client.resource('services').create(service('late', '203.0.113.11')),
      /does not match the current range/,
    );
    await world.pass(30);
    assert.notEqual(await get('more'), undefined);
    await world.client.resource('services').delete({ namespace: 'default', name: 'web' });
    await world.until('it is gone', async () => (await get('more')) === undefined);
  });

  it('lets one go whose addresses another one has, ten seconds after the delete', async () => {
    await client().create(serviceCidr('small', '203.0.113.0/28') as New<ServiceCIDR>);
    await world.until('it is ready', async () => (await condition('small')) === 'True ');
    await world.client.resource('services').create(service('web', '203.0.113.10'));
    await client().delete({ name: 'small' });
    await world.until('it stays', async () => (await condition('small')) === 'False Terminating');
    const startMs = world.clock.now();
    await client().create(serviceCidr('large', '203.0.113.0/24') as New<ServiceCIDR>);
    await world.until('it is gone', async () => (await get('small')) === undefined);
    assert.ok(world.clock.now() - startMs <= 15_000);
    assert.equal(
      (await world.client.resource('services').get({ namespace: 'default', name: 'web' })).spec.clusterIP,
      '203.0.113.10',
    );
  });
});
