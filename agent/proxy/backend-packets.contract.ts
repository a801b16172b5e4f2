/**
 * Sends real packets through the rules that a {@link Backend} has written, in network namespaces. `backend.contract.ts` calls it.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import type { Backend } from './backend.ts';
import type { BackendUnderTest } from './backend-under-test.testing.ts';
import { cleanStaleFlows } from './conntrack.ts';
import { endpoint, notReady, service, slice, terminating } from './objects.testing.ts';
import { createPacketNetwork, nodeIp, outsideIp, type PacketNetwork, podIps } from './packet-network.testing.ts';
import { buildServiceState, type ServiceState } from './state.ts';

const clusterIp = '10.96.0.10';
const http = [{ name: 'http', port: 80, nodePort: 30080 }];
const target = [{ name: 'http', port: 8080 }];
const pods = Object.values(podIps).map((address) => endpoint(address, 'here'));
const { pod1, pod2 } = podIps;

export function packetContract(under: BackendUnderTest): void {
  describe(`packets under ${under.name}`, { timeout: 300_000 }, () => {
    let network: PacketNetwork;
    let backend: Backend;

    before(async () => {
      network = await createPacketNetwork();
      backend = under.create(network.exec, { family: 'IPv4', clusterCidr: '10.244.0.0/16', nodeIp });
    });
    after(() => network?.close());
    beforeEach(async () => {
      await network.exec(['conntrack', '-F']);
    });

    async function apply(services: Service[], endpointSlices: EndpointSlice[]): Promise<ServiceState> {
      const state = buildServiceState({ services, endpointSlices }, { nodeName: 'here' });
      await backend.apply(state);
      return state;
    }

    it('reaches every endpoint through the cluster IP, with the pod as the source', async () => {
      await apply([service('default/web', clusterIp, http)], [slice('default/web', target, pods)]);
      const count = new Map<string, number>();
      for (let round = 0; round < 90; round++) {
        const { server = 'none', seen } = await network.tcp('pod1', clusterIp, 80);
        count.set(server, (count.get(server) ?? 0) + 1);
        // When a pod reaches itself, the source is the node's address. Otherwise the answer would go directly to the pod and
        // would not be translated back.
        assert.equal(seen, server === 'pod1' ? '10.244.1.1' : pod1);
      }
      // About 30 connections per pod are expected. Fewer than 10 would happen once in a million runs.
      assert.deepEqual([...count.keys()].sort(), ['pod1', 'pod2', 'pod3']);
      for (const [server, hits] of count) assert.ok(hits >= 10, `${server}: ${hits} of 90`);
    });

    it('serves the node itself: cluster IP, node port on its address and, where the mode has it, on the loopback', async () => {
      await apply([service('default/web', clusterIp, http)], [slice('default/web', target, [endpoint(pod2, 'here')])]);
      for (const [host, port] of [
        [clusterIp, 80],
        [nodeIp, 30080],
      ] as const) {
        assert.equal((await network.tcp('node', host, port)).server, 'pod2', `${host}:${port}`);
      }
      const onLoopback = await network.tcp('node', '127.0.0.1', 30080);
      if (under.localhostNodePorts) assert.equal(onLoopback.server, 'pod2');
      else assert.deepEqual(onLoopback, { error: 'ECONNREFUSED' });
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

    it('rejects at once when a service has no endpoints', async () => {
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

    it('serves a UDP client that never pauses again after its service was scaled to zero and back', async () => {
      const dns = service('kube-system/dns', clusterIp, [{ name: 'dns', port: 53, protocol: 'UDP' }]);
      const udp = [{ name: 'dns', port: 8080, protocol: 'UDP' }];
      await apply([dns], [slice('kube-system/dns', udp, [endpoint(pod2, 'here')])]);
      assert.equal((await network.udp('pod1', clusterIp, 53, 40054)).server, 'pod2');
      const none = await apply([dns], []);
      assert.equal(await cleanStaleFlows(network.exec, none), 1);
      assert.deepEqual(await network.udp('pod1', clusterIp, 53, 40054), { error: 'ECONNREFUSED' });
      const back = await apply([dns], [slice('kube-system/dns', udp, [endpoint(podIps.pod3, 'here')])]);
      await cleanStaleFlows(network.exec, back);
      assert.equal((await network.udp('pod1', clusterIp, 53, 40054)).server, 'pod3');
      assert.equal(await cleanStaleFlows(network.exec, back), 0, 'a flow to an endpoint that serves is left alone');
    });

    it('keeps internal policy Local on the node: its own endpoints, or nothing', async () => {
      const web = service('default/web', clusterIp, [{ name: 'http', port: 80 }], { internalTrafficPolicy: 'Local' });
      await apply([web], [slice('default/web', target, [endpoint(pod1, 'there'), endpoint(pod2, 'here')])]);
      for (let round = 0; round < 8; round++) assert.equal((await network.tcp('pod3', clusterIp, 80)).server, 'pod2');
      await apply([web], [slice('default/web', target, [endpoint(pod1, 'there')])]);
      assert.deepEqual(await network.tcp('pod3', clusterIp, 80), { error: 'TIMEOUT' });
    });

    it('leaves headless services alone', async () => {
      const headless = service('default/headless', 'None', [{ name: 'http', port: 80 }]);
      const state = await apply([headless], [slice('default/headless', target, pods)]);
      assert.equal(state.ports.length, 0);
      assert.deepEqual(await network.tcp('pod1', pod2, 80), { error: 'ECONNREFUSED' });
      assert.equal((await network.tcp('pod1', pod2, 8080)).server, 'pod2');
    });

    it('uses serving terminating endpoints when there are no ready ones', async () => {
      const web = service('default/web', clusterIp, [{ name: 'http', port: 80 }]);
      await apply([web], [slice('default/web', target, [endpoint(pod1, 'here', terminating), endpoint(pod2, 'here', notReady)])]);
      for (let round = 0; round < 8; round++) assert.equal((await network.tcp('pod3', clusterIp, 80)).server, 'pod1');
    });

    it('serves external IPs, and a load balancer’s IP only to its source ranges', async () => {
      const external = { type: 'LoadBalancer', externalIPs: ['198.51.100.7'], loadBalancerSourceRanges: [`${outsideIp}/32`] };
      const web = (spec: Partial<Service['spec']>): Service => service('default/web', clusterIp, http, spec, ['198.51.100.9']);
      const slices = [slice('default/web', target, [endpoint(pod2, 'here')])];
      await apply([web(external)], slices);
      assert.equal((await network.tcp('outside', '198.51.100.7', 80)).server, 'pod2');
      assert.equal((await network.tcp('outside', '198.51.100.9', 80)).server, 'pod2');
      await apply([web({ ...external, loadBalancerSourceRanges: ['203.0.113.0/24'] })], slices);
      assert.deepEqual(await network.tcp('outside', '198.51.100.9', 80), { error: 'TIMEOUT' });
      assert.equal((await network.tcp('outside', '198.51.100.7', 80)).server, 'pod2');
    });

    it('removes the rules of a deleted service', async () => {
      await apply([service('default/web', clusterIp, http)], [slice('default/web', target, pods)]);
      await apply([], []);
      assert.deepEqual(await network.tcp('outside', nodeIp, 30080), { error: 'ECONNREFUSED' });
      assert.equal((await network.tcp('pod1', pod2, 8080)).seen, pod1, 'pods still reach each other');
    });

    for (const { what, argvs, isProbed } of under.damages) {
      it(`notices ${what}, and the next apply writes all rules again`, async () => {
        const services = [service('default/web', clusterIp, http)];
        const slices = [slice('default/web', target, [endpoint(pod2, 'here')])];
        const state = await apply(services, slices);
        assert.equal(await backend.intact(), true);
        const whole = await under.dump(network.exec);
        assert.equal(await backend.probe(), true);
        for (const argv of argvs(state)) await network.exec(argv);
        if (isProbed) assert.equal(await backend.probe(), false);
        else assert.equal(await backend.intact(), false);
        assert.equal((await backend.apply(state)).mode, 'full');
        assert.equal(await backend.intact(), true);
        assert.equal(await under.dump(network.exec), whole);
        assert.equal((await network.tcp('pod1', clusterIp, 80)).server, 'pod2');
        assert.equal((await network.tcp('outside', nodeIp, 30080)).server, 'pod2');
      });
    }

    it('writes everything when a partial update no longer fits the kernel’s rules', async () => {
      const services = [service('default/web', clusterIp, http)];
      await apply(services, [slice('default/web', target, [endpoint(pod1, 'here')])]);
      for (const argv of under.wipe) await network.exec(argv);
      await apply(services, [slice('default/web', target, [endpoint(pod1, 'here'), endpoint(pod2, 'here')])]);
      assert.ok((await network.tcp('pod3', clusterIp, 80)).server);
    });
  });
}
