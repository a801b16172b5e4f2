import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { apiVersionOf } from '#api/meta.ts';
import type { Service, ServiceSpec } from '#api/types.generated.ts';
import { toStored } from '../../../registry/object-keys.ts';
import { silentLog } from '../../../serving/server-log.ts';
import { type AllocationStore, openAllocationStore } from './allocator.testing.ts';
import { createServiceAllocator, type ServiceAllocator } from './allocator.ts';

let taken: AllocationStore;
let services: Map<string, Service>;
let allocator: ServiceAllocator;
let told: string[];
let complete = true;

before(async () => void (taken = await openAllocationStore()));
after(() => taken.close());
beforeEach(async () => {
  await taken.clear();
  services = new Map();
  told = [];
  complete = true;
  allocator = newServer();
  await repair();
});

function newServer(nodePortRange = { first: 30_000, last: 30_099 }): ServiceAllocator {
  const recorder = {
    event: (about: object, type: string, reason: string, message: string) =>
      void told.push(`${type} ${(about as Service).kind} ${(about as Service).metadata.name} ${reason}: ${message}`),
  };
  const { store, clock } = taken;
  const deps = { store, clock, log: silentLog, random: () => 0, events: { ips: recorder, ports: recorder } };
  return createServiceAllocator(deps, { serviceCidr: '10.96.0.0/16', nodePortRange });
}

const repair = (server = allocator): Promise<void> => server.repair(async () => ({ objects: [...services.values()], complete }));

const draft = (name: string, spec: Partial<ServiceSpec>): Service => ({
  apiVersion: apiVersionOf('', 'v1'),
  kind: 'Service',
  metadata: { name, namespace: 'ns', uid: name, creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '' },
  spec: { type: 'ClusterIP', ...spec },
});

/** Writes a service as it is, whatever is taken. */
async function write(name: string, spec: Partial<ServiceSpec>): Promise<Service> {
  const service = draft(name, spec);
  const { revision } = await taken.store.put(`/registry/services/specs/ns/${name}`, toStored(service));
  service.metadata.resourceVersion = String(revision);
  services.set(name, service);
  return service;
}

const ips = async (): Promise<Record<string, string>> => {
  const { entries } = await taken.store.range({ prefix: '/registry/ipaddresses/' });
  return Object.fromEntries(
    entries.map(({ key, value }) => [
      key.slice('/registry/ipaddresses/'.length),
      JSON.parse(Buffer.from(value).toString('utf8')).spec?.parentRef?.name,
    ]),
  );
};

const held = (ip: string, nodePort?: number): Partial<ServiceSpec> =>
  nodePort === undefined
    ? { clusterIP: ip, clusterIPs: [ip] }
    : { type: 'NodePort', clusterIP: ip, clusterIPs: [ip], ports: [{ port: 80, nodePort }] };

/** Whether another service could have the port now. */
async function isFree(nodePort: number): Promise<boolean> {
  const asked = draft('probe', { type: 'NodePort', clusterIPs: ['None'], ports: [{ port: 80, nodePort }] });
  return await allocator.allocate(asked, undefined, true).then(
    () => true,
    () => false,
  );
}

describe('the repair of cluster IPs', () => {
  it('takes what a service holds, and gives it to the service when it refers elsewhere or cannot be read', async () => {
    await write('a', held('10.96.0.10'));
    await repair();
    assert.deepEqual(
      [await ips(), told],
      [
        { '10.96.0.10': 'a' },
        ['Warning Service a ClusterIPNotAllocated: Cluster IP [IPv4]: 10.96.0.10 is not allocated; repairing'],
      ],
    );
    const key = '/registry/ipaddresses/10.96.0.10';
    const wrong = [
      '{',
      '{"metadata":{"name":"10.96.0.10"},"spec":{"parentRef":{"resource":"gateways","name":"g"}}}',
      '{"metadata":{},"spec":{"parentRef":{"resource":"services","namespace":"ns","name":"gone"}}}',
    ];
    for (const value of wrong) {
      await taken.store.put(key, Buffer.from(value));
      await repair();
      assert.deepEqual(await ips(), { '10.96.0.10': 'a' }, value);
    }
    assert.equal(
      told.at(-1),
      'Warning Service a ClusterIPNotAllocated: the ClusterIP [IPv4]: 10.96.0.10 for Service ns/a has a wrong reference; repairing',
    );
    const revision = await taken.store.currentRevision();
    await repair();
    assert.equal(await taken.store.currentRevision(), revision, 'what is right is not written again');
  });

  it('tells of one address that two services hold, of one out of range and of one that is none, and leaves them', async () => {
    await write('a', held('10.96.0.10'));
    await repair();
    await write('b', held('10.96.0.10'));
    await write('c', held('10.97.0.1'));
    await write('d', held('ten'));
    told = [];
    await repair();
    assert.deepEqual(
      [await ips(), told.sort()],
      [
        { '10.96.0.10': 'a' },
        [
          'Warning Service b ClusterIPAlreadyAllocated: Cluster IP [IPv4]:10.96.0.10 was assigned to multiple services; please recreate service',
          'Warning Service c ClusterIPOutOfRange: Cluster IP [IPv4]: 10.97.0.1 is not within any configured Service CIDR; please recreate service',
          'Warning Service d ClusterIPNotValid: Cluster IP ten is not a valid IP; please recreate Service',
        ],
      ],
    );
  });

  it('gives back an address without a service after the time of a request, and leaves those that others manage', async () => {
    await allocator.allocate(draft('lost', held('10.96.0.20')), undefined, false);
    const foreign =
      '{"metadata":{"name":"10.96.0.30"},"spec":{"parentRef":{"group":"gateway.networking.k8s.io","resource":"gateways","name":"g"}}}';
    await taken.store.put('/registry/ipaddresses/10.96.0.30', Buffer.from(foreign));
    await repair();
    await taken.clock.advance(60_000);
    await repair();
    assert.deepEqual(await ips(), { '10.96.0.20': 'lost', '10.96.0.30': 'g' });
    await taken.clock.advance(1_000);
    await repair();
    assert.deepEqual(
      [await ips(), told],
      [
        { '10.96.0.30': 'g' },
        [
          'Warning IPAddress 10.96.0.20 IPAddressNotAllocated: IPAddress: 10.96.0.20 for Service ns/lost appears to have leaked: cleaning up',
        ],
      ],
    );
  });

  it('keeps the address of a service that cannot be read', async () => {
    await allocator.allocate(draft('odd', held('10.96.0.20')), undefined, false);
    await taken.store.put('/registry/services/specs/ns/odd', Buffer.from('{'));
    await taken.clock.advance(600_000);
    await repair();
    assert.deepEqual(await ips(), { '10.96.0.20': 'odd' });
  });

  it('does not take an address back from a newer service of the same name', async () => {
    const service = await write('a', held('10.96.0.10'));
    await repair();
    const { revision } = await taken.store.delete('/registry/services/specs/ns/a');
    await allocator.release(service, revision);
    const again = draft('a', held('10.96.0.10'));
    await allocator.allocate(again, undefined, false);
    await allocator.release(service, revision);
    assert.deepEqual(await ips(), { '10.96.0.10': 'a' });
  });
});

describe('the repair of node ports', () => {
  it('gives a port without a service back in the third round that finds it, so that a slow request keeps its own', async () => {
    await allocator.allocate(draft('lost', { ...held('10.96.0.20', 30_040), clusterIPs: ['None'] }), undefined, false);
    for (const free of [false, false, true]) {
      await repair();
      assert.equal(await isFree(30_040), free);
    }
  });

  it('begins to count again when a service has the port meanwhile, and keeps ports while a service cannot be read', async () => {
    await allocator.allocate(draft('slow', { ...held('10.96.0.20', 30_040), clusterIPs: ['None'] }), undefined, false);
    await repair();
    await repair();
    await write('slow', { ...held('None', 30_040) });
    await repair();
    services.clear();
    await repair();
    assert.equal(await isFree(30_040), false);
    complete = false;
    for (let round = 0; round < 5; round++) await repair();
    assert.equal(await isFree(30_040), false);
    complete = true;
    await repair();
    assert.equal(await isFree(30_040), true);
  });

  it('tells of one port that two services hold, of one that was not taken and of one out of range', async () => {
    await write('a', held('None', 30_001));
    await write('b', held('None', 30_001));
    await write('c', held('None', 31_000));
    await repair();
    assert.deepEqual(told, [
      'Warning Service a PortNotAllocated: Port 30001 is not allocated; repairing',
      'Warning Service b PortAlreadyAllocated: Port 30001 was assigned to multiple services; please recreate service',
      'Warning Service c PortOutOfRange: Port 31000 is not within the port range 30000-30099; please recreate service',
    ]);
    assert.equal(await isFree(30_001), false);
  });

  it('follows a new --service-node-port-range', async () => {
    await write('a', held('None', 30_001));
    await repair();
    const wider = newServer({ first: 29_000, last: 30_099 });
    await repair(wider);
    const { entry } = await taken.store.get('/registry/ranges/servicenodeports');
    assert.equal(JSON.parse(Buffer.from(entry?.value ?? []).toString('utf8')).range, '29000-30099');
    const asked = (port: number): Service => draft('b', { ...held('None', port), clusterIPs: ['None'] });
    await assert.rejects(wider.allocate(asked(30_001), undefined, false), /already allocated/);
    await wider.allocate(asked(29_001), undefined, false);
  });
});

it('nothing is given out before the first repair', async () => {
  await assert.rejects(
    newServer().allocate(draft('a', {}), undefined, false),
    /cannot allocate resources of type serviceipallocations/,
  );
});
