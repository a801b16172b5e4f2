/** Good objects are served as if the hostile objects beside them did not exist. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { answer, type Reply } from '#agent/dns/answer.ts';
import { slice as dnsSlice, testCluster } from '#agent/dns/objects.testing.ts';
import { testNode } from '#agent/network/netns/network.testing.ts';
import { podRanges } from '#agent/network/pod-ranges.ts';
import { buildRuleset } from '#agent/proxy/iptables/ruleset.ts';
import { endpoint, service, slice } from '#agent/proxy/objects.testing.ts';
import { buildServiceState } from '#agent/proxy/state.ts';
import { contains, formatCidr, mustParseCidr, parseIp } from '#api/ip.ts';
import type { EndpointSlice, Node, Pod, Service } from '#api/types.generated.ts';
import { usedRanges } from '#control/controllers/node-ipam.ts';
import { SchedulerCache } from '#control/scheduler/cache.ts';
import { chooseNode } from '#control/scheduler/decide.ts';
import { noDevices } from '#control/scheduler/devices/device-view.ts';
import { node, pod } from '#control/scheduler/objects.testing.ts';
import { filterPlugins, scorePlugins } from '#control/scheduler/plugins.ts';
import { createSnapshot } from '#control/scheduler/snapshot.ts';
import { noStorage } from '#control/scheduler/volumes/storage-view.ts';
import { hasShape, hostile } from './hostile-object.testing.ts';

const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { minLength: 1, maxLength: 4 });
const runs = { numRuns: 150, endOnFailure: true };
const http = [{ name: 'http', port: 80 }];

describe('beside hostile objects', { timeout: 300_000 }, () => {
  it('the proxy forwards the good services, and writes nothing but rules', () => {
    const good = [service('default/web', '10.96.0.1', http), service('default/db', '10.96.0.2', [{ port: 5432 }])];
    const goodSlices = [slice('default/web', http, [endpoint('10.244.0.1'), endpoint('10.244.0.2')])];
    const build = (services: Service[], endpointSlices: EndpointSlice[]) =>
      buildServiceState({ services, endpointSlices }, { nodeName: 'here' });
    const alone = build(good, goodSlices).ports;
    const services = some(hostile<Service>('core/v1.Service', { namespace: 'other' }));
    const slices = some(
      hostile<EndpointSlice>('discovery/v1.EndpointSlice', {
        namespace: 'other',
        labels: { 'kubernetes.io/service-name': 'bad' },
      }),
    );
    fc.assert(
      fc.property(services, slices, (bad, badSlices) => {
        const named = bad.map((one) => ({ ...one, metadata: { ...one.metadata, name: 'bad' } }));
        const state = build([...named, ...good, ...bad], [...badSlices, ...goodSlices]);
        assert.deepEqual(
          state.ports.filter(({ namespace }) => namespace === 'default'),
          alone,
        );
        for (const line of buildRuleset(state).split('\n'))
          assert.match(line, /^$|^COMMIT$|^\*\w+$|^:[A-Z0-9-]+ - \[0:0\]$|^-A [A-Z0-9-]+ [\x20-\x7e]+$/);
        for (const [, port] of buildRuleset(state).matchAll(/--dport (\S+)/g))
          assert.ok(Number(port) >= 1 && Number(port) <= 65_535);
      }),
      runs,
    );
  });

  it('DNS answers for the good names', () => {
    const zone = { clusterDomain: 'cluster.local', ttlSeconds: 30, serverIps: ['10.0.0.10'] };
    const bad = some(
      hostile<EndpointSlice>('discovery/v1.EndpointSlice', {
        namespace: 'testns',
        labels: { 'kubernetes.io/service-name': 'portless' },
      }),
    );
    const badServices = some(hostile<Service>('core/v1.Service', { namespace: 'testns' }));
    fc.assert(
      fc.property(bad, badServices, (slices, services) => {
        const cluster = testCluster();
        const names = cluster.names();
        const ask = (name: string): unknown =>
          (answer({ name: `${name}.testns.svc.cluster.local`, type: 'A' }, names, zone) as Reply).answers;
        const before = [ask('pets'), ask('pets-0.pets'), ask('web')];
        for (const one of slices) cluster.endpointSlices.put(one);
        for (const one of services) cluster.services.put(one);
        assert.deepEqual([ask('pets'), ask('pets-0.pets'), ask('web')], before);
        for (const one of services) answer({ name: `${one.metadata.name}.testns.svc.cluster.local`, type: 'SRV' }, names, zone);
        answer({ name: 'portless.testns.svc.cluster.local', type: 'SRV' }, names, zone);
        cluster.endpointSlices.put(dnsSlice('testns/pets', [], [{ addresses: ['10.244.7.7'] }], 'late'));
        assert.notDeepEqual(ask('pets'), before[0]);
      }),
      runs,
    );
  });

  it('routes lead to the good nodes, and never out of the cluster’s range', () => {
    const network = { clusterCidrs: ['10.244.0.0/16'], hostAddresses: ['192.168.0.1'] };
    const good = [testNode('self', '10.244.0.0/24', '192.168.0.1'), testNode('b', '10.244.1.0/24', '192.168.0.2')].map((one) => ({
      ...one,
      metadata: { ...one.metadata, creationTimestamp: '2025-01-01T00:00:00Z' },
    }));
    fc.assert(
      fc.property(some(hostile<Node>('core/v1.Node', { creationTimestamp: '2026-01-01T00:00:00Z' })), (bad) => {
        const found = podRanges([...bad, ...good], 'self', network);
        assert.deepEqual(found.own, ['10.244.0.0/24']);
        assert.ok(found.others.some(({ destination, gateway }) => destination === '10.244.1.0/24' && gateway === '192.168.0.2'));
        for (const { destination, gateway } of found.others) {
          assert.ok(contains(mustParseCidr('10.244.0.0/16'), mustParseCidr(destination)));
          assert.ok(parseIp(gateway) !== undefined);
        }
        const used = usedRanges([...bad, ...good], [mustParseCidr('10.244.0.0/16')], [24], () => undefined);
        assert.ok(used.map(formatCidr).includes('10.244.1.0/24'));
      }),
      runs,
    );
  });

  it('the scheduler places good pods on good nodes', () => {
    const badNodes = some(hostile<Node>('core/v1.Node', {}));
    const badPods = some(hostile<Pod>('core/v1.Pod', { namespace: 'default', labels: {} }));
    fc.assert(
      fc.property(badNodes, badPods, (nodes, pods) => {
        const cache = new SchedulerCache();
        for (const one of [...nodes.filter((one) => hasShape('core/v1.Node', one)), node('good')]) cache.setNode(one);
        for (const one of pods.filter((other) => hasShape('core/v1.Pod', other)))
          cache.setPod(one, nodes[0]?.metadata.name ?? '');
        const lookups = {
          namespaceLabels: () => ({}),
          services: () => [],
          ownerSelector: () => undefined,
          storage: noStorage,
          devices: noDevices,
        };
        const snapshot = createSnapshot(cache.nodeInfos(), lookups);
        const choice = chooseNode(
          pod('p', { cpu: '1' }),
          snapshot,
          new Map(),
          { filters: filterPlugins, scores: scorePlugins },
          () => 0,
        );
        assert.equal(choice.verdicts.find((verdict) => verdict.node === 'good')?.rejection, undefined);
        assert.notEqual(choice.node, undefined);
      }),
      runs,
    );
  });
});
