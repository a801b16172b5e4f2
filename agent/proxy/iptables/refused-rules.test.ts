/**
 * The real iptables refuses the rules of one Service; the rules of the others must be in place. Needs root, iproute2 and
 * conntrack.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { execSysctl } from '#agent/host/sysctl.ts';
import { FakeClock } from '#client/clock.ts';
import type { LeftOut } from '#client/left-out.ts';
import { RefusedError } from '../backend.ts';
import { FamilyProxy, type SyncRecord } from '../family-proxy.ts';
import { endpoint, service, slice } from '../objects.testing.ts';
import { createPacketNetwork, nodeIp, type PacketNetwork, podIps } from '../packet-network.testing.ts';
import { buildServiceState, type ServicePortState, type ServiceState } from '../state.ts';
import { createIptablesBackend } from './iptables-backend.ts';

const count = 12;
const clusterIp = (index: number): string => `10.96.1.${index + 1}`;

/**
 * A state of good services. `damage` changes some of them in a way that our own checks would refuse, so that the kernel's tools
 * refuse it.
 */
function stateOf(damage: (port: ServicePortState, index: number) => ServicePortState): ServiceState {
  const names = Array.from({ length: count }, (_, index) => `default/s${String(index).padStart(2, '0')}`);
  const state = buildServiceState(
    {
      services: names.map((name, index) => service(name, clusterIp(index), [{ port: 80 }])),
      endpointSlices: names.map((name) => slice(name, [{ port: 8080 }], [endpoint(podIps.pod2, 'here')])),
    },
    { nodeName: 'here' },
  );
  assert.equal(state.ports.length, count);
  return { ...state, ports: state.ports.map(damage) };
}

describe('rules that iptables refuses', { timeout: 300_000 }, () => {
  let network: PacketNetwork;
  before(async () => {
    network = await createPacketNetwork();
  });
  after(() => network?.close());

  const backend = () => {
    const { exec } = network;
    const deps = { exec, sysctl: execSysctl(exec), clock: new FakeClock(), warn: () => undefined };
    return createIptablesBackend(deps, { family: 'IPv4', clusterCidr: '10.244.0.0/16', nodeIp });
  };

  const cases: [what: string, damage: (port: ServicePortState) => ServicePortState][] = [
    ['a comment with a line of its own', (port) => ({ ...port, id: `${port.id}"\n-A NOWHERE -j ACCEPT\n` })],
    ['a port that is none', (port) => ({ ...port, port: 70_000 })],
    ['an address that is none', (port) => ({ ...port, clusterIp: '10.96.1.256' })],
    ['a protocol that has no ports', (port) => ({ ...port, protocol: 'icmp' })],
  ];
  for (const [what, damage] of cases) {
    it(`${what}: only its Service is left out, and reported`, async () => {
      const bad = new Set([3, 8]);
      const state = stateOf((port, index) => (bad.has(index) ? damage(port) : port));
      await assert.rejects(backend().apply(state), (error) => {
        assert.ok(error instanceof RefusedError);
        assert.deepEqual(error.ports.map(({ name }) => name).sort(), ['s03', 's08']);
        return true;
      });
      let leftOut: readonly LeftOut[] = [];
      const records: SyncRecord[] = [];
      const proxy = new FamilyProxy({
        family: 'IPv4',
        backend: backend(),
        observe: () => Promise.resolve(state),
        onLeftOut: (objects) => (leftOut = objects),
        onRecord: (record) => records.push(record),
        exec: network.exec,
        clock: new FakeClock(),
        log: pino({ level: 'silent' }),
      });
      const synced = await proxy.sync();
      assert.equal(synced?.ports.length, count - bad.size);
      assert.deepEqual(leftOut.map(({ object }) => object.name).sort(), ['s03', 's08']);
      assert.deepEqual(
        records.map(({ error, services }) => [error === undefined, services]),
        [
          [false, count],
          [true, count - bad.size],
        ],
      );
      for (let index = 0; index < count; index++) {
        if (bad.has(index)) continue;
        const { server } = await network.tcp('pod1', clusterIp(index), 80);
        assert.equal(server, 'pod2', `${clusterIp(index)} beside ${what}`);
      }
    });
  }
});
