/** Several API servers over one store: never is one cluster IP or node port given twice, and nothing stays taken for ever. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Service, ServiceSpec } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { StoreError } from '#control/store/errors.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { startTestServer, type TestAnswer, type TestServer, type TestServerOptions } from '../../../api-server.testing.ts';
import { bootstrapOnce } from '../../../bootstrap.ts';
import { decodeBits } from './port-allocation.ts';

const path = '/api/v1/namespaces/default/services';
const ipPrefix = '/registry/ipaddresses/';
const repairIntervalMs = 180_000;
const portsKey = '/registry/ranges/servicenodeports';

let folder: string;
let store: Store;
let servers: TestServer[] = [];

async function serve(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startTestServer({ store, ...options });
  servers.push(server);
  return server;
}

const service = (name: string, spec: Partial<ServiceSpec> = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
});

const create = (server: TestServer, name: string, spec: Partial<ServiceSpec> = {}, query = ''): Promise<TestAnswer> =>
  server.request('POST', path + query, service(name, spec));

const patch = (server: TestServer, name: string, spec: Record<string, unknown>): Promise<TestAnswer> =>
  server.request('PATCH', `${path}/${name}`, { spec }, { 'content-type': 'application/merge-patch+json' });

const stored = (value: Uint8Array) => JSON.parse(Buffer.from(value).toString('utf8'));

async function takenPorts(): Promise<number[]> {
  const { entry } = await store.get(portsKey);
  assert.ok(entry);
  return decodeBits(stored(entry.value).data).map((bit) => 30_000 + bit);
}

/** What stands in the store is exactly what the stored Services hold, each thing once. Answers what that is. */
async function assertExact(): Promise<{ ips: string[]; ports: number[] }> {
  const services = (await store.range({ prefix: '/registry/services/specs/' })).entries.map(
    ({ value }): Service => stored(value),
  );
  const ips = services.flatMap(({ spec }) => (spec.clusterIPs ?? []).filter((ip) => ip !== 'None'));
  const ports = services.flatMap(({ spec }) => [
    ...new Set((spec.ports ?? []).flatMap(({ nodePort }) => nodePort ?? [])),
    ...(spec.healthCheckNodePort === undefined ? [] : [spec.healthCheckNodePort]),
  ]);
  assert.equal(new Set(ips).size, ips.length, 'an address twice');
  assert.equal(new Set(ports).size, ports.length, 'a port twice');
  const addresses = (await store.range({ prefix: ipPrefix })).entries;
  assert.deepEqual(addresses.map(({ key }) => key.slice(ipPrefix.length)).sort(), ips.toSorted());
  for (const { value } of addresses) {
    const { metadata, spec } = stored(value);
    const owner = services.find((one) => one.spec.clusterIPs?.includes(metadata.name));
    const { namespace, name } = owner?.metadata ?? {};
    assert.deepEqual(spec.parentRef, { resource: 'services', namespace, name });
  }
  assert.deepEqual((await takenPorts()).sort(), ports.toSorted());
  return { ips, ports };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'several-servers-'));
  store = await createSqliteStore({ path: join(folder, 'state.db') });
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

describe('two API servers over one store', { timeout: 300_000 }, () => {
  for (const [how, random] of [
    ['anywhere', Math.random],
    ['both at the same place', () => 0],
  ] as const) {
    it(`give no address and no port twice when they begin to look ${how}`, async () => {
      const [a, b] = [await serve({ random }), await serve({ random })];
      const spec: Partial<ServiceSpec> = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, index) => create(index % 2 ? a : b, `web-${index}`, spec)),
      );
      assert.deepEqual(
        new Set(answers.map(({ status }) => status)),
        new Set([201]),
        answers.find((one) => one.status !== 201)?.text ?? '',
      );
      const { ips, ports } = await assertExact();
      assert.deepEqual([ips.length, ports.length], [40, 80]);
    });
  }

  it('let exactly one of two have the address and the port that both ask for', async () => {
    const [a, b] = [await serve(), await serve()];
    for (let round = 0; round < 10; round++) {
      const [first, second] = round % 2 ? [a, b] : [b, a];
      const ip = `10.96.0.${50 + round}`;
      const answers = await Promise.all([
        create(first, `ip-${round}-a`, { clusterIP: ip }),
        create(second, `ip-${round}-b`, { clusterIP: ip }),
      ]);
      const lost = answers.find(({ status }) => status !== 201);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 422]);
      assert.match(
        lost?.json.message ?? '',
        new RegExp(
          `spec.clusterIPs: Invalid value: \\["${ip}"\\]: failed to allocate IP ${ip}: provided IP is already allocated$`,
        ),
      );
      const nodePort = 30_010 + round;
      const spec: Partial<ServiceSpec> = { type: 'NodePort', ports: [{ port: 80, nodePort }] };
      const ports = await Promise.all([create(first, `port-${round}-a`, spec), create(second, `port-${round}-b`, spec)]);
      assert.deepEqual(ports.map(({ status }) => status).sort(), [201, 422]);
      assert.match(
        ports.find(({ status }) => status !== 201)?.json.message ?? '',
        new RegExp(`spec.ports\\[0\\].nodePort: Invalid value: ${nodePort}: provided port is already allocated$`),
      );
    }
    await assertExact();
  });

  it('give back what an update no longer has, a delete, and a create whose name is taken', async () => {
    const [a, b] = [await serve(), await serve()];
    await Promise.all(Array.from({ length: 12 }, (_, index) => create(index % 2 ? a : b, `s-${index}`, { type: 'NodePort' })));
    const before = await assertExact();
    await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const [one, other] = index % 2 ? [a, b] : [b, a];
        const name = `s-${index}`;
        // Both change it at once, and somebody makes one of the same name.
        if (index % 4 === 0)
          await Promise.all([patch(one, name, { type: 'ClusterIP' }), patch(other, name, { type: 'LoadBalancer' })]);
        if (index % 4 === 1) await Promise.all([one, other].map((server) => server.request('DELETE', `${path}/${name}`)));
        if (index % 4 === 2) await patch(one, name, { type: 'ExternalName', externalName: 'example.org' });
        if (index % 4 === 3) await Promise.all([one, other].map((server) => create(server, name, { type: 'NodePort' })));
      }),
    );
    const now = await assertExact();
    assert.ok(now.ips.length < before.ips.length && now.ports.length < before.ports.length);
    // What one server gave back, the other can give again: it is asked for by name, and then out of a range that is nearly full.
    const free = before.ips.find((ip) => !now.ips.includes(ip)) ?? '';
    const port = before.ports.find((one) => !now.ports.includes(one)) ?? 0;
    for (const [index, server] of [a, b].entries()) {
      const spec: Partial<ServiceSpec> = { clusterIP: free, type: 'NodePort', ports: [{ port: 1, nodePort: port }] };
      assert.equal((await create(server, `again-${index}`, spec)).status, 201);
      assert.equal((await server.request('DELETE', `${path}/again-${index}`)).status, 200);
    }
    await assertExact();
  });

  it('use a small range up to the last address, and each finds what the other gave back', async () => {
    const ranges = { serviceCidr: '10.96.0.0/28', nodePortRange: { first: 30_000, last: 30_009 } };
    const [a, b] = [await serve({ ranges }), await serve({ ranges })];
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => create(index % 2 ? a : b, `s-${index}`)));
    // Fourteen addresses, and the first is the API server's own.
    assert.equal(answers.filter(({ status }) => status === 201).length, 13);
    const full = answers.find(({ status }) => status !== 201);
    assert.deepEqual([full?.status, full?.json.message.endsWith('range is full')], [500, true]);
    await assertExact();
    const [gone] = answers.filter(({ status }) => status === 201);
    await a.request('DELETE', `${path}/${gone?.json.metadata.name}`);
    assert.equal((await create(b, 'next')).status, 201);
    await assertExact();
  });

  it('take nothing on a dry run, and answer as upstream', async () => {
    const [a, b] = [await serve(), await serve()];
    await create(a, 'real', { clusterIP: '10.96.0.60', type: 'NodePort', ports: [{ port: 80, nodePort: 30_060 }] });
    const before = await store.currentRevision();
    const two: Partial<ServiceSpec> = {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 1 },
        { name: 'b', port: 2 },
      ],
    };
    const { status, json } = await create(b, 'dry', two, '?dryRun=All');
    const { clusterIP, ports } = json.spec as unknown as ServiceSpec;
    assert.deepEqual([status, clusterIP, ports?.map(({ nodePort }) => nodePort)], [201, '10.96.0.0', [32_769, 32_770]]);
    const refused = await create(b, 'dry', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_060 }] }, '?dryRun=All');
    assert.equal(refused.status, 422);
    assert.equal((await create(b, 'dry', { clusterIP: '10.96.0.70' }, '?dryRun=All')).status, 201);
    assert.equal(
      (await b.request('PUT', `${path}/real?dryRun=All`, service('real', { type: 'ExternalName', externalName: 'x.org' })))
        .status,
      200,
    );
    assert.equal((await b.request('DELETE', `${path}/real?dryRun=All`)).status, 200);
    assert.equal(await store.currentRevision(), before, 'nothing is written');
    await assertExact();
  });

  it('make the namespaces and the kubernetes service together, and keep its address for it', async () => {
    const [a, b] = [await serve({ namespaces: [] }), await serve({ namespaces: [] })];
    const options = { serviceIp: '10.96.0.1', advertiseAddress: '192.0.2.1', securePort: 6443 };
    for (let round = 0; round < 3; round++) {
      await Promise.all([a, b].map((server) => bootstrapOnce(server.client, options)));
      assert.deepEqual((await assertExact()).ips, ['10.96.0.1']);
      assert.equal((await create(a, 'thief', { clusterIP: '10.96.0.1' })).status, 422);
      await Promise.all([a, b].map((server) => server.request('DELETE', `${path}/kubernetes`)));
      assert.equal((await create(b, 'thief', { clusterIP: '10.96.0.1' })).status, 422);
    }
  });
});

describe('the stored form of what is taken', () => {
  it('is upstream’s, so that the kinds can be served on it', async () => {
    const server = await serve({ clock: new FakeClock(Date.parse('2026-01-01T00:00:00Z')) });
    await create(server, 'web', { clusterIP: '10.96.0.50', type: 'NodePort', ports: [{ port: 80, nodePort: 30_009 }] });
    const { entry } = await store.get(`${ipPrefix}10.96.0.50`);
    const address = stored(entry?.value ?? new Uint8Array());
    assert.match(address.metadata.uid, /^[0-9a-f-]{36}$/);
    const labels = { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' };
    const { uid: _, managedFields: __, ...metadata } = address.metadata;
    assert.deepEqual(
      { ...address, metadata },
      {
        kind: 'IPAddress',
        apiVersion: 'networking.k8s.io/v1',
        metadata: { name: '10.96.0.50', creationTimestamp: '2026-01-01T00:00:00Z', labels },
        spec: { parentRef: { resource: 'services', namespace: 'default', name: 'web' } },
      },
    );
    const range = (await store.get(portsKey)).entry?.value ?? new Uint8Array();
    assert.equal(
      Buffer.from(range).toString('utf8'),
      '{"kind":"RangeAllocation","apiVersion":"v1","metadata":{},"range":"30000-32767","data":"AgA="}\n',
    );
  });
});

describe('after a crash', { timeout: 300_000 }, () => {
  /** Dies at its n-th write: all after it fail, and that one, too, although it may have happened. */
  function dying(writes: number, code: 'closed' | 'unavailable', happens: boolean): { store: Store; died: () => boolean } {
    let left = writes;
    const write =
      <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (--left < 0) {
          if (left === -1 && happens) await work(...args);
          throw new StoreError(code, 'the machine is gone');
        }
        return await work(...args);
      };
    const put = write(store.put.bind(store));
    const remove = write(store.delete.bind(store));
    const dead = new Proxy(store, {
      get(target, name) {
        if (name === 'put') return put;
        if (name === 'delete') return remove;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { store: dead, died: () => left < 0 };
  }

  for (const [how, code, happens] of [
    ['that fails', 'closed', false],
    ['that is not answered', 'unavailable', false],
    ['that happens and is not answered', 'unavailable', true],
  ] as const) {
    it(`at whatever write ${how}, what no service holds is given back in the end, and what one holds is not`, async () => {
      const clock = new FakeClock();
      // The one that lives on, and repairs.
      await serve({ clock });
      for (let writes = 0, isOver = false; !isOver; writes++) {
        const { store: mortal, died } = dying(writes, code, happens);
        const server = await startTestServer({ store: mortal, clock, namespaces: [] });
        const name = `web-${writes}`;
        const balanced: Partial<ServiceSpec> = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };
        await create(server, name, balanced);
        await patch(server, name, { type: 'ExternalName', externalName: 'example.org' });
        await patch(server, name, { type: 'NodePort' });
        await create(server, name, balanced);
        await server.request('DELETE', `${path}/${name}`);
        isOver = !died();
        assert.ok(!isOver || writes > 10, `it has lived through ${writes} writes`);
        await server.stop();
        for (let round = 0; round < 4; round++) {
          await clock.advance(repairIntervalMs);
          // A repair takes some ten round trips to the store; these go through it in order.
          for (let trip = 0; trip < 40; trip++) await store.get(portsKey);
        }
        await assertExact();
      }
    });
  }
});

describe('a store of an older version', () => {
  it('is brought in line before anything is served: its services keep what they hold', async () => {
    const first = await serve();
    await create(first, 'held', { clusterIP: '10.96.0.80', type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] });
    await create(first, 'free', { clusterIP: 'None' });
    await first.stop();
    servers = [];
    for (const { key } of (await store.range({ prefix: ipPrefix })).entries) await store.delete(key);
    await store.delete(portsKey);
    const told: string[] = [];
    const recorder = {
      event: (about: object, _type: string, reason: string, message: string) =>
        void told.push(`${'metadata' in about ? (about as Service).metadata.name : ''}: ${reason}: ${message}`),
    };
    const second = await serve({ events: { ips: recorder, ports: recorder } });
    await assertExact();
    assert.deepEqual(told.sort(), [
      'held: ClusterIPNotAllocated: Cluster IP [IPv4]: 10.96.0.80 is not allocated; repairing',
      'held: PortNotAllocated: Port 30080 is not allocated; repairing',
    ]);
    assert.equal((await create(second, 'thief', { clusterIP: '10.96.0.80' })).status, 422);
  });
});
