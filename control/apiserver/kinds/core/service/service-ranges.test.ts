/** Cluster IPs out of the ranges of ServiceCIDRs. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Service, ServiceCIDR } from '#api/types.generated.ts';
import { type AllocationStore, openAllocationStore } from './allocator.testing.ts';
import type { ServiceAllocator } from './allocator.ts';

let taken: AllocationStore;
let allocator: ServiceAllocator;
before(async () => void (taken = await openAllocationStore()));
after(() => taken.close());
beforeEach(async () => {
  await taken.clear();
  allocator = await taken.allocator({ serviceCidr: '10.96.0.0/16' }, Math.random);
});

async function serviceCidr(
  name: string,
  cidrs: unknown,
  ready: 'True' | 'False' | 'unsaid' = 'True',
  metadata: object = {},
): Promise<void> {
  const conditions = ready === 'unsaid' ? [] : [{ type: 'Ready', status: ready }];
  const object = { metadata: { name, ...metadata }, spec: { cidrs }, status: { conditions } } as unknown as ServiceCIDR;
  await taken.store.put(`/registry/servicecidrs/${name}`, Buffer.from(JSON.stringify(object)));
}

let count = 0;
async function allocate(ip?: string, dryRun = false): Promise<string | undefined> {
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: `web-${count++}`,
      namespace: 'ns',
      uid: 'u',
      creationTimestamp: '2026-01-01T00:00:00Z',
      resourceVersion: '',
    },
    spec: { type: 'ClusterIP', ...(ip === undefined ? {} : { clusterIP: ip, clusterIPs: [ip] }) },
  };
  await allocator.allocate(service, undefined, dryRun);
  return service.spec.clusterIP;
}
const outside = /the provided network does not match the current range/;

describe('cluster IPs', () => {
  it("are of the flag's range as long as there is no default ServiceCIDR", async () => {
    await serviceCidr('more', ['10.200.0.0/29']);
    assert.match((await allocate('10.96.7.7')) ?? '', /^10\.96\.7\.7$/);
    await serviceCidr('kubernetes', ['10.97.0.0/16']);
    await assert.rejects(allocate('10.96.7.8'), outside);
    assert.equal(await allocate('10.97.0.9'), '10.97.0.9');
  });

  it('may be of a ServiceCIDR at once when it is ready, without the ends of the range', async () => {
    await serviceCidr('kubernetes', ['10.96.0.0/16']);
    await assert.rejects(allocate('203.0.113.10'), outside);
    await serviceCidr('more', ['203.0.113.0/24'], 'unsaid');
    await assert.rejects(allocate('203.0.113.10'), outside);
    await serviceCidr('more', ['203.0.113.0/24']);
    assert.equal(await allocate('203.0.113.10'), '203.0.113.10');
    await assert.rejects(allocate('203.0.113.10'), /provided IP is already allocated/);
    await assert.rejects(allocate('203.0.113.0'), outside);
    await assert.rejects(allocate('203.0.113.255'), outside);
  });

  it('are of all ready ranges, until all are full', async () => {
    await serviceCidr('kubernetes', ['10.96.0.0/29', 'fd00::/64']);
    await serviceCidr('more', ['10.200.0.0/29']);
    await serviceCidr('later', ['10.201.0.0/29'], 'False');
    await serviceCidr('going', ['10.202.0.0/29'], 'True', { deletionTimestamp: '2026-01-01T00:00:00Z' });
    const given = new Set<string | undefined>();
    // Five of the first, whose first address is the API server's, and six of the second.
    for (let index = 0; index < 11; index++) given.add(await allocate());
    assert.equal(given.size, 11);
    assert.equal([...given].filter((ip) => ip?.startsWith('10.96.0.')).length, 5);
    assert.equal([...given].filter((ip) => ip?.startsWith('10.200.0.')).length, 6);
    await assert.rejects(allocate(), /range is full/);
    await serviceCidr('later', ['10.201.0.0/29']);
    assert.match((await allocate()) ?? '', /^10\.201\.0\.[1-6]$/);
  });

  it('of a range that another contains are taken once', async () => {
    await serviceCidr('kubernetes', ['10.96.0.0/29']);
    await serviceCidr('inner', ['10.96.0.4/30']);
    const given: (string | undefined)[] = [];
    for (let index = 0; index < 5; index++) given.push(await allocate());
    assert.deepEqual(given.sort(), ['10.96.0.2', '10.96.0.3', '10.96.0.4', '10.96.0.5', '10.96.0.6']);
    await assert.rejects(allocate(), /range is full/);
  });

  it('are given whatever else stands among the ServiceCIDRs', async () => {
    await serviceCidr('kubernetes', ['10.96.0.0/16']);
    for (const value of ['{', '[]', '{"metadata":null}', '{"metadata":{"name":"odd"},"spec":{"cidrs":7}}'])
      await taken.store.put('/registry/servicecidrs/odd', Buffer.from(value));
    await serviceCidr('tiny', ['10.1.0.0/32', '10.1.0.0/31', 'ten', '']);
    await serviceCidr('all', ['0.0.0.0/0']);
    assert.match((await allocate()) ?? '', /^\d+\.\d+\.\d+\.\d+$/);
    assert.match((await allocate(undefined, true)) ?? '', /^\d+\.\d+\.\d+\.\d+$/);
  });
});
