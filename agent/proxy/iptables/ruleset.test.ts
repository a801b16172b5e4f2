import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import { endpoint, notReady, service, slice, terminating } from '../objects.testing.ts';
import { buildServiceState } from '../state.ts';
import { clusterPolicyChain, endpointChain, isServiceChain } from './chains.ts';
import { buildRuleset, compileRuleset, type RulesetOptions } from './ruleset.ts';
import { type Packet, type Trace, tracePacket } from './trace.testing.ts';

const podCidr = '10.244.0.0/16';
const options: RulesetOptions = { clusterCidr: podCidr, nodeIp: '192.168.0.2' };
const nodeIps = ['192.168.0.2'];
const pod = '10.244.1.50';
const node = '192.168.0.2';
const outside = '203.0.113.9';

const stateOf = (services: Service[], endpointSlices: EndpointSlice[]) =>
  buildServiceState({ services, endpointSlices }, { nodeName: 'here' });
const rulesOf = (services: Service[], slices: EndpointSlice[], more: RulesetOptions = {}): string =>
  buildRuleset(stateOf(services, slices), { ...options, ...more });

const http = [{ name: 'http', port: 80, nodePort: 30080 }];
const target = [{ name: 'http', port: 8080 }];
const two = [endpoint('10.244.1.1', 'here'), endpoint('10.244.2.1', 'there')];
const remote = [endpoint('10.244.2.1', 'there')];
const both = ['10.244.1.1:8080', '10.244.2.1:8080'];
const clusterIp = '10.96.0.10';
const lbIp = '198.51.100.1';

interface Expectation {
  to: string;
  from: string;
  port?: number;
  protocol?: Packet['protocol'];
  verdict?: Trace['verdict'];
  endpoints?: string[];
  masqueraded?: boolean;
}

interface Case {
  name: string;
  services: Service[];
  slices: EndpointSlice[];
  options?: RulesetOptions;
  packets: Expectation[];
}

const cases: Case[] = [
  {
    name: 'sends cluster IP and node port to every endpoint',
    services: [service('default/web', clusterIp, http)],
    slices: [slice('default/web', target, two)],
    packets: [
      { from: pod, to: clusterIp, endpoints: both },
      { from: node, to: clusterIp, endpoints: both, masqueraded: true },
      { from: outside, to: clusterIp, endpoints: both, masqueraded: true },
      { from: outside, to: node, port: 30080, endpoints: both, masqueraded: true },
      { from: pod, to: node, port: 30080, endpoints: both, masqueraded: true },
      { from: node, to: node, port: 30080, endpoints: both, masqueraded: true },
      { from: '127.0.0.1', to: '127.0.0.1', port: 30080, endpoints: both, masqueraded: true },
      { from: pod, to: clusterIp, port: 81, verdict: 'untouched' },
      { from: pod, to: clusterIp, protocol: 'udp', verdict: 'untouched' },
    ],
  },
  {
    name: 'masquerades a pod that reaches itself',
    services: [service('default/web', clusterIp, http)],
    slices: [slice('default/web', target, [endpoint('10.244.1.1', 'here')])],
    packets: [{ from: '10.244.1.1', to: clusterIp, endpoints: ['10.244.1.1:8080'], masqueraded: true }],
  },
  {
    name: 'keeps ports and protocols of one service apart',
    services: [
      service('kube-system/dns', clusterIp, [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53 },
        { name: 'x', port: 9, protocol: 'SCTP' },
      ]),
    ],
    slices: [
      slice(
        'kube-system/dns',
        [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 5353 },
          { name: 'x', port: 9, protocol: 'SCTP' },
        ],
        remote,
      ),
    ],
    packets: [
      { from: pod, to: clusterIp, port: 53, protocol: 'udp', endpoints: ['10.244.2.1:53'] },
      { from: pod, to: clusterIp, port: 53, endpoints: ['10.244.2.1:5353'] },
      { from: pod, to: clusterIp, port: 9, protocol: 'sctp', endpoints: ['10.244.2.1:9'] },
    ],
  },
  {
    name: 'rejects at once what has no endpoints, on every address',
    services: [service('default/web', clusterIp, http, { externalIPs: ['192.0.2.7'] }, [lbIp])],
    slices: [slice('default/web', target, [endpoint('10.244.1.1', 'here', notReady)])],
    packets: [
      { from: pod, to: clusterIp, verdict: 'reject' },
      { from: node, to: clusterIp, verdict: 'reject' },
      { from: outside, to: node, port: 30080, verdict: 'reject' },
      { from: node, to: node, port: 30080, verdict: 'reject' },
      { from: outside, to: '192.0.2.7', verdict: 'reject' },
      { from: outside, to: lbIp, verdict: 'reject' },
    ],
  },
  {
    name: 'uses terminating endpoints that serve when there is nothing else',
    services: [service('default/web', clusterIp, http)],
    slices: [slice('default/web', target, [endpoint('10.244.1.1', 'here', terminating)])],
    packets: [{ from: pod, to: clusterIp, endpoints: ['10.244.1.1:8080'] }],
  },
  {
    name: 'external policy Local: from outside to local endpoints with the source kept; pods and the node to all',
    services: [service('default/web', clusterIp, http, { externalTrafficPolicy: 'Local', type: 'LoadBalancer' }, [lbIp])],
    slices: [slice('default/web', target, two)],
    packets: [
      { from: outside, to: node, port: 30080, endpoints: ['10.244.1.1:8080'] },
      { from: outside, to: lbIp, endpoints: ['10.244.1.1:8080'] },
      { from: pod, to: lbIp, endpoints: both },
      { from: node, to: node, port: 30080, endpoints: both, masqueraded: true },
      { from: pod, to: clusterIp, endpoints: both },
    ],
  },
  {
    name: 'external policy Local without a local endpoint: drops what comes from outside, serves pods and the node',
    services: [service('default/web', clusterIp, http, { externalTrafficPolicy: 'Local', type: 'LoadBalancer' }, [lbIp])],
    slices: [slice('default/web', target, remote)],
    packets: [
      { from: outside, to: node, port: 30080, verdict: 'drop' },
      { from: outside, to: lbIp, verdict: 'drop' },
      { from: pod, to: lbIp, endpoints: ['10.244.2.1:8080'] },
      { from: node, to: lbIp, endpoints: ['10.244.2.1:8080'], masqueraded: true },
    ],
  },
  {
    name: 'internal policy Local: the cluster IP stays on the node, node ports go anywhere',
    services: [service('default/web', clusterIp, http, { internalTrafficPolicy: 'Local' })],
    slices: [slice('default/web', target, two)],
    packets: [
      { from: pod, to: clusterIp, endpoints: ['10.244.1.1:8080'] },
      { from: outside, to: node, port: 30080, endpoints: both, masqueraded: true },
    ],
  },
  {
    name: 'internal policy Local without a local endpoint drops',
    services: [service('default/web', clusterIp, [{ name: 'http', port: 80 }], { internalTrafficPolicy: 'Local' })],
    slices: [slice('default/web', target, remote)],
    packets: [{ from: pod, to: clusterIp, verdict: 'drop' }],
  },
  {
    name: 'lets only the source ranges to the load balancer, but anyone to the node port',
    services: [
      service('default/web', clusterIp, http, { type: 'LoadBalancer', loadBalancerSourceRanges: ['203.0.113.0/25'] }, [lbIp]),
    ],
    slices: [slice('default/web', target, two)],
    packets: [
      { from: '203.0.113.9', to: lbIp, endpoints: both, masqueraded: true },
      { from: '203.0.113.200', to: lbIp, verdict: 'drop' },
      { from: pod, to: lbIp, verdict: 'drop' },
      { from: '203.0.113.200', to: node, port: 30080, endpoints: both, masqueraded: true },
    ],
  },
  {
    name: 'lets the node to the load balancer from its own VIP when the ranges hold the node',
    services: [
      service('default/web', clusterIp, http, { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.168.0.0/24'] }, [lbIp]),
    ],
    slices: [slice('default/web', target, two)],
    packets: [{ from: lbIp, to: lbIp, endpoints: both, masqueraded: true }],
  },
  {
    name: 'serves external IPs',
    services: [service('default/web', clusterIp, [{ name: 'http', port: 80 }], { externalIPs: ['192.0.2.7'] })],
    slices: [slice('default/web', target, two)],
    packets: [{ from: outside, to: '192.0.2.7', endpoints: both, masqueraded: true }],
  },
  {
    name: 'finds every endpoint of a service with session affinity',
    services: [service('default/web', clusterIp, http, { sessionAffinity: 'ClientIP' })],
    slices: [slice('default/web', target, two)],
    packets: [{ from: pod, to: clusterIp, endpoints: both }],
  },
  {
    name: 'masquerades everything on request',
    services: [service('default/web', clusterIp, http)],
    slices: [slice('default/web', target, two)],
    options: { masqueradeAll: true },
    packets: [{ from: pod, to: clusterIp, endpoints: both, masqueraded: true }],
  },
  {
    name: 'leaves node ports off the loopback on request',
    services: [service('default/web', clusterIp, http)],
    slices: [slice('default/web', target, two)],
    options: { localhostNodePorts: false },
    packets: [{ from: '127.0.0.1', to: '127.0.0.1', port: 30080, verdict: 'untouched' }],
  },
  {
    name: 'opens node ports on the chosen addresses only',
    services: [service('default/web', clusterIp, http)],
    slices: [slice('default/web', target, two)],
    options: { nodePortIps: ['192.168.0.3'] },
    packets: [{ from: outside, to: node, port: 30080, verdict: 'untouched' }],
  },
];

describe('packets through the ruleset', () => {
  for (const { name, services, slices, options: more, packets } of cases) {
    it(name, () => {
      const rules = rulesOf(services, slices, more);
      for (const { from, to, port = 80, protocol = 'tcp', endpoints = [], verdict, masqueraded = false } of packets) {
        const trace = tracePacket(
          rules,
          { source: from, destination: to, port, protocol },
          { nodeIps: [...nodeIps, ...(from === lbIp ? [lbIp] : [])] },
        );
        const got = { verdict: trace.verdict, endpoints: trace.endpoints, masqueraded: trace.masqueraded };
        assert.deepEqual(
          got,
          { verdict: verdict ?? 'forwarded', endpoints, masqueraded },
          `${from} → ${to}:${port}\n${trace.path.join('\n')}`,
        );
      }
    });
  }
});

describe('buildRuleset', () => {
  const services = [service('default/web', clusterIp, http), service('a/web', '10.96.0.11', http)];
  const slices = [slice('default/web', target, [endpoint('10.244.1.1'), endpoint('10.244.1.2'), endpoint('10.244.1.3')])];

  it('does not depend on the order of the caches', () => {
    assert.equal(rulesOf(services, slices), rulesOf(services.toReversed(), slices.toReversed()));
  });

  it('jumps only to chains that it declares, and declares no chain without a jump to it', () => {
    const { nat, filter } = compileRuleset(stateOf(services, slices), options);
    for (const table of [nat, filter]) {
      const jumped = [...table.values()].flat().flatMap((rule) => /-j (KUBE-\S+)/.exec(rule)?.[1] ?? []);
      for (const chain of jumped) assert.ok(table.has(chain), `${chain} is not declared`);
      for (const chain of table.keys()) if (isServiceChain(chain)) assert.ok(jumped.includes(chain), `${chain} is not reached`);
    }
  });

  it('names chains by the hash that upstream uses', () => {
    // From pkg/proxy/iptables/proxier_test.go of Kubernetes 1.36.
    assert.equal(clusterPolicyChain('ns1/svc1:p80', 'tcp'), 'KUBE-SVC-XPGD46QRK7WJZT7O');
    assert.equal(endpointChain('ns1/svc1:p80', 'tcp', '10.180.0.1:80'), 'KUBE-SEP-SXIVWICOYRO3J4NJ');
  });

  it('gives n endpoints the probabilities 1/n, 1/(n-1), …, and the last no probability', () => {
    const spread = rulesOf(services, slices)
      .split('\n')
      .filter((line) => line.includes('default/web:http -> '));
    assert.deepEqual(
      spread.map((line) => /--probability (\S+)/.exec(line)?.[1]),
      ['0.33333333349', '0.50000000000', undefined],
    );
  });

  it('remembers the client of a service with session affinity for its timeout', () => {
    const sticky = service('default/web', clusterIp, http, {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    });
    const chain = endpointChain('default/web:http', 'tcp', '10.244.1.1:8080');
    const rules = rulesOf([sticky], slices);
    assert.match(
      rules,
      new RegExp(
        `-A KUBE-SVC-\\S+ .*-m recent --rcheck --seconds 60 --reap --name ${chain} --mask 255.255.255.255 --rsource -j ${chain}`,
      ),
    );
    assert.match(
      rules,
      new RegExp(`-A ${chain} -p tcp .*-m recent --set --name ${chain} --mask 255.255.255.255 --rsource -m tcp -j DNAT`),
    );
  });

  it('drops comments of endpoint rules above 1000 endpoints', () => {
    const many = Array.from({ length: 1001 }, (_, index) => endpoint(`10.244.${index >> 8}.${index & 255}`));
    const large = rulesOf(services, [slice('default/web', target, many)]);
    assert.doesNotMatch(large, / -> 10\.244/);
    assert.match(large, /"default\/web:http cluster IP"/);
  });

  it('accepts health check node ports and drops INVALID unless told not to', () => {
    const lb = service('default/web', clusterIp, http, {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31000,
    });
    const rules = rulesOf([lb], slices);
    assert.match(
      rules,
      /-A KUBE-NODEPORTS -p tcp -m comment --comment "default\/web:http health check node port" -m tcp --dport 31000 -j ACCEPT/,
    );
    assert.match(rules, /-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP/);
    assert.doesNotMatch(rulesOf([lb], slices, { dropInvalid: false }), /INVALID/);
  });

  it('writes IPv6 endpoints in brackets and keeps node ports off ::1', () => {
    const v6 = buildServiceState(
      {
        services: [service('default/web', 'fd00:10::1', http)],
        endpointSlices: [slice('default/web', target, [endpoint('fd00:1::1')])],
      },
      { nodeName: 'here', family: 'IPv6' },
    );
    const rules = buildRuleset(v6, { clusterCidr: 'fd00:1::/64' });
    assert.match(rules, /-j DNAT --to-destination \[fd00:1::1\]:8080/);
    assert.match(rules, /! -d ::1\/128 .*--dst-type LOCAL -j KUBE-NODEPORTS/);
    const trace = tracePacket(
      rules,
      { source: 'fd00:2::9', destination: 'fd00:10::1', port: 80, protocol: 'tcp' },
      { nodeIps: [] },
    );
    assert.deepEqual([trace.endpoints, trace.masqueraded], [['[fd00:1::1]:8080'], true]);
  });
});

describe('tracePacket', () => {
  it('throws for a match or target that it does not know', () => {
    const rules =
      '*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-POSTROUTING - [0:0]\n-A KUBE-SERVICES -m ttl --ttl-eq 1 -j ACCEPT\nCOMMIT\n';
    assert.throws(
      () => tracePacket(rules, { source: pod, destination: clusterIp, port: 80, protocol: 'tcp' }, { nodeIps }),
      /unknown match/,
    );
  });
});
