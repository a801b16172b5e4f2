/** Real packets through real iptables, in network namespaces. Needs root, iproute2, iptables and conntrack. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import { createApplier, type RuleApplier } from '../apply.ts';
import { cleanStaleFlows } from '../conntrack.ts';
import { endpoint, notReady, service, slice } from '../fixtures.ts';
import { compileRuleset } from '../ruleset.ts';
import { buildServiceState, type ServiceState } from '../state.ts';
import { createPacketNetwork, nodeIp, outsideIp, type PacketNetwork, podIps } from './network.ts';

const clusterIp = '10.96.0.10';
const http = [{ name: 'http', port: 80, nodePort: 30080 }];
const target = [{ name: 'http', port: 8080 }];
const pods = Object.values(podIps).map((address) => endpoint(address, 'here'));
const { pod1, pod2 } = podIps;

describe('packets through the node', () => {
  let network: PacketNetwork;
  let applier: RuleApplier;
  const warnings: string[] = [];

  before(async () => {
    network = await createPacketNetwork();
    applier = createApplier({ exec: network.exec, warn: (message) => warnings.push(message) });
  });
  after(() => network.close());
  beforeEach(async () => {
    await network.exec(['conntrack', '-F']);
  });

  async function apply(services: Service[], endpointSlices: EndpointSlice[]): Promise<ServiceState> {
    const state = buildServiceState({ services, endpointSlices }, { nodeName: 'here' });
    await applier.apply(compileRuleset(state, { clusterCidr: '10.244.0.0/16', nodeIp }));
    return state;
  }

  it('reaches every endpoint through the cluster IP, with the pod as the source', async () => {
    await apply([service('default/web', clusterIp, http)], [slice('default/web', target, pods)]);
    const count = new Map<string, number>();
    for (let round = 0; round < 90; round++) {
      const { server = 'none', seen } = await network.tcp('pod1', clusterIp, 80);
      count.set(server, (count.get(server) ?? 0) + 1);
      // To itself it comes from the node: otherwise the answer would not pass the node's translation.
      assert.equal(seen, server === 'pod1' ? '10.244.1.1' : pod1);
    }
    // Expected 30 each; under 10 would happen once in a million runs.
    assert.deepEqual([...count.keys()].sort(), ['pod1', 'pod2', 'pod3']);
    for (const [server, hits] of count) assert.ok(hits >= 10, `${server}: ${hits} of 90`);
  });

  it('serves the node itself: cluster IP, node port on its address and on the loopback', async () => {
    await apply([service('default/web', clusterIp, http)], [slice('default/web', target, [endpoint(pod2, 'here')])]);
    for (const [host, port] of [
      [clusterIp, 80],
      [nodeIp, 30080],
      ['127.0.0.1', 30080],
    ] as const) {
      assert.equal((await network.tcp('node', host, port)).server, 'pod2', `${host}:${port}`);
    }
  });

  it('serves the node port from outside, masqueraded, and not the cluster IP of another port', async () => {
    await apply([service('default/web', clusterIp, http)], [slice('default/web', target, [endpoint(pod2, 'here')])]);
    assert.deepEqual(await network.tcp('outside', nodeIp, 30080), { server: 'pod2', seen: '10.244.1.1' });
    assert.deepEqual(await network.tcp('outside', nodeIp, 30081), { error: 'ECONNREFUSED' });
  });

  it('keeps the source of outside traffic under external policy Local, and drops it where no endpoint is', async () => {
    const web = service('default/web', clusterIp, http, { externalTrafficPolicy: 'Local' });
    await apply([web], [slice('default/web', target, [endpoint(pod1, 'here'), endpoint(pod2, 'there')])]);
    for (let round = 0; round < 8; round++) {
      assert.deepEqual(await network.tcp('outside', nodeIp, 30080), { server: 'pod1', seen: outsideIp });
    }
    await apply([web], [slice('default/web', target, [endpoint(pod2, 'there')])]);
    assert.deepEqual(await network.tcp('outside', nodeIp, 30080), { error: 'TIMEOUT' });
    assert.equal((await network.tcp('node', nodeIp, 30080)).server, 'pod2');
  });

  it('lets a pod reach itself through its service', async () => {
    await apply([service('default/web', clusterIp, http)], [slice('default/web', target, [endpoint(pod1, 'here')])]);
    assert.deepEqual(await network.tcp('pod1', clusterIp, 80), { server: 'pod1', seen: '10.244.1.1' });
  });

  it('serves UDP and several ports of one service', async () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53 },
      { name: 'metrics', port: 9153 },
    ];
    const targets = [
      { name: 'dns', port: 8080, protocol: 'UDP' },
      { name: 'dns-tcp', port: 8080 },
      { name: 'metrics', port: 9090 },
    ];
    await apply([service('kube-system/dns', clusterIp, ports)], [slice('kube-system/dns', targets, [endpoint(pod2, 'here')])]);
    assert.deepEqual(await network.udp('pod1', clusterIp, 53), { server: 'pod2', seen: pod1 });
    assert.equal((await network.tcp('pod1', clusterIp, 53)).server, 'pod2');
    assert.equal((await network.tcp('pod1', clusterIp, 9153)).server, 'pod2');
  });

  it('refuses at once what has no endpoints', async () => {
    await apply([service('default/web', clusterIp, http)], [slice('default/web', target, [endpoint(pod1, 'here', notReady)])]);
    for (const from of ['pod2', 'node', 'outside'] as const) {
      assert.deepEqual(
        await network.tcp(from, from === 'outside' ? nodeIp : clusterIp, from === 'outside' ? 30080 : 80),
        { error: 'ECONNREFUSED' },
        from,
      );
    }
  });

  it('keeps a client at its endpoint with session affinity', async () => {
    const sticky = service('default/sticky', '10.96.0.11', [{ name: 'http', port: 80 }], { sessionAffinity: 'ClientIP' });
    await apply([sticky], [slice('default/sticky', target, pods)]);
    const servers = new Set<string | undefined>();
    for (let round = 0; round < 20; round++) servers.add((await network.tcp('pod1', '10.96.0.11', 80)).server);
    assert.equal(servers.size, 1);
  });

  it('moves a UDP client that never pauses to the new endpoint', async () => {
    const dns = service('kube-system/dns', clusterIp, [{ name: 'dns', port: 53, protocol: 'UDP' }]);
    const udp = [{ name: 'dns', port: 8080, protocol: 'UDP' }];
    await apply([dns], [slice('kube-system/dns', udp, [endpoint(pod2, 'here')])]);
    assert.equal((await network.udp('pod1', clusterIp, 53, 40053)).server, 'pod2');
    const state = await apply([dns], [slice('kube-system/dns', udp, [endpoint(podIps.pod3, 'here')])]);
    assert.equal((await network.udp('pod1', clusterIp, 53, 40053)).server, 'pod2', 'conntrack still holds the flow');
    assert.equal(await cleanStaleFlows(network.exec, state), 1);
    assert.equal((await network.udp('pod1', clusterIp, 53, 40053)).server, 'pod3');
    assert.equal(await cleanStaleFlows(network.exec, state), 0);
  });

  it('notices each kind of flush and puts the rules back', async () => {
    const services = [service('default/web', clusterIp, http)];
    const slices = [slice('default/web', target, [endpoint(pod2, 'here')])];
    await apply(services, slices);
    assert.ok(await applier.intact());
    for (const argv of [['-t', 'nat', '-F'], ['-F'], ['-t', 'mangle', '-X']]) {
      await network.exec(['iptables', ...argv]);
      assert.equal(await applier.intact(), false, argv.join(' '));
      applier.invalidate();
      await apply(services, slices);
      assert.ok(await applier.intact());
      assert.equal((await network.tcp('pod1', clusterIp, 80)).server, 'pod2');
    }
  });

  it('writes everything anew when a partial update does not fit what somebody has changed', async () => {
    const services = [service('default/web', clusterIp, http)];
    await apply(services, [slice('default/web', target, [endpoint(pod1, 'here')])]);
    // The chain that an added endpoint's rules would stand beside is gone.
    await network.exec(['iptables', '-t', 'nat', '-F']);
    await network.exec(['iptables', '-t', 'nat', '-X']);
    await apply(services, [slice('default/web', target, [endpoint(pod1, 'here'), endpoint(pod2, 'here')])]);
    assert.match(warnings.join('\n'), /partial update refused/);
    assert.ok((await network.tcp('pod3', clusterIp, 80)).server);
  });

  it('removes all it has written, and nothing else', async () => {
    await network.exec(['iptables', '-A', 'FORWARD', '-s', '192.0.2.1', '-j', 'DROP']);
    await apply([service('default/web', clusterIp, http)], [slice('default/web', target, pods)]);
    await applier.remove();
    const { stdout } = await network.exec(['iptables-save']);
    assert.doesNotMatch(stdout, /KUBE-(?!FIREWALL)/);
    assert.match(stdout, /-A FORWARD -s 192\.0\.2\.1\/32 -j DROP/);
  });
});
