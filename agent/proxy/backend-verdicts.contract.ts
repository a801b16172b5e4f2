/**
 * Generated services: what the kernel does with real packets is what the Services and EndpointSlices say. The model below knows
 * nothing of the proxy's code. `backend.contract.ts` calls it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { Backend } from './backend.ts';
import type { BackendUnderTest } from './backend-under-test.testing.ts';
import { endpoint, notReady, service, slice, terminating } from './objects.testing.ts';
import { createPacketNetwork, nodeIp, outsideIp, type PacketNetwork, podIps } from './packet-network.testing.ts';
import { buildServiceState } from './state.ts';

type Pod = keyof typeof podIps;

interface Behind {
  pod: Pod;
  node: 'here' | 'there';
  condition: 'ready' | 'terminating' | 'notReady';
}

interface Shape {
  behind: Behind[];
  internal: 'Cluster' | 'Local';
  external: 'Cluster' | 'Local';
  isSticky: boolean;
  ranges: 'none' | 'outside' | 'nobody';
}

const behind: fc.Arbitrary<Behind> = fc.record({
  pod: fc.constantFrom<Pod>('pod1', 'pod2', 'pod3'),
  node: fc.constantFrom('here', 'there'),
  condition: fc.constantFrom('ready', 'ready', 'terminating', 'notReady'),
});
const shape: fc.Arbitrary<Shape> = fc.record({
  behind: fc.uniqueArray(behind, { maxLength: 3, selector: ({ pod }) => pod }),
  internal: fc.constantFrom('Cluster', 'Cluster', 'Local'),
  external: fc.constantFrom('Cluster', 'Local'),
  isSticky: fc.boolean(),
  ranges: fc.constantFrom('none', 'outside', 'nobody'),
});

const conditions = { ready: undefined, terminating, notReady };
const clusterIp = (index: number): string => `10.96.0.${10 + index}`;
const externalIp = (index: number): string => `198.51.100.${1 + index}`;
const loadBalancerIp = (index: number): string => `198.51.101.${1 + index}`;

function stateOf(shapes: readonly Shape[]) {
  const services = shapes.map(({ internal, external, isSticky, ranges }, index) =>
    service(
      `default/s${index}`,
      clusterIp(index),
      [{ name: 'http', port: 80, nodePort: 30_000 + index }],
      {
        type: 'LoadBalancer',
        internalTrafficPolicy: internal,
        externalTrafficPolicy: external,
        externalIPs: [externalIp(index)],
        ...(isSticky ? { sessionAffinity: 'ClientIP' } : {}),
        ...(ranges === 'none' ? {} : { loadBalancerSourceRanges: [ranges === 'outside' ? `${outsideIp}/32` : '203.0.113.0/24'] }),
      },
      [loadBalancerIp(index)],
    ),
  );
  const endpointSlices = shapes.map((one, index) =>
    slice(
      `default/s${index}`,
      [{ name: 'http', port: 8080 }],
      one.behind.map(({ pod, node, condition }) => endpoint(podIps[pod], node, conditions[condition])),
    ),
  );
  return buildServiceState({ services, endpointSlices }, { nodeName: 'here' });
}

type Verdict = readonly Pod[] | 'rejected' | 'dropped';

/** Ready endpoints; without any, those that still serve while they terminate. */
function usable(all: readonly Behind[]): Pod[] {
  const ready = all.filter(({ condition }) => condition === 'ready');
  const used = ready.length > 0 ? ready : all.filter(({ condition }) => condition === 'terminating');
  return used.map(({ pod }) => pod);
}

function verdict({ behind: all }: Shape, policy: 'Cluster' | 'Local'): Verdict {
  if (usable(all).length === 0) return 'rejected';
  if (policy === 'Cluster') return usable(all);
  const local = usable(all.filter(({ node }) => node === 'here'));
  return local.length > 0 ? local : 'dropped';
}

interface Flow {
  from: Pod | 'node' | 'outside';
  to: string;
  port: number;
  expected: Verdict;
}

function flowsOf(one: Shape, index: number): Flow[] {
  const external = (from: Flow['from'], to: string, port: number): Flow => {
    // The external policy is for traffic from outside only.
    return { from, to, port, expected: verdict(one, from === 'outside' ? one.external : 'Cluster') };
  };
  const balanced = (from: 'pod3' | 'outside'): Flow[] => {
    // Whether traffic to a load balancer without endpoints is dropped or rejected first depends on the mode, as upstream.
    if (one.ranges !== 'none' && verdict(one, 'Cluster') === 'rejected') return [];
    const flow = external(from, loadBalancerIp(index), 80);
    const isAdmitted = one.ranges === 'none' || (one.ranges === 'outside' && from === 'outside');
    return [isAdmitted ? flow : { ...flow, expected: 'dropped' }];
  };
  return [
    ...(['pod1', 'node', 'outside'] as const).map((from) => ({
      from,
      to: clusterIp(index),
      port: 80,
      expected: verdict(one, one.internal),
    })),
    external('outside', nodeIp, 30_000 + index),
    external('pod2', nodeIp, 30_000 + index),
    external('node', nodeIp, 30_000 + index),
    external('outside', externalIp(index), 80),
    ...balanced('outside'),
    ...balanced('pod3'),
  ];
}

export function verdictContract(under: BackendUnderTest): void {
  describe(`verdicts under ${under.name}`, { timeout: 300_000 }, () => {
    let network: PacketNetwork;
    let backend: Backend;
    before(async () => {
      network = await createPacketNetwork();
      backend = under.create(network.exec, { family: 'IPv4', clusterCidr: '10.244.0.0/16', nodeIp });
    });
    after(() => network?.close());

    it('are those of a model, for generated services and flows', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(shape, { minLength: 1, maxLength: 4 }), async (shapes) => {
          await backend.apply(stateOf(shapes));
          const flows = shapes.flatMap(flowsOf);
          const answers = await Promise.all(flows.map(({ from, to, port }) => network.tcp(from, to, port)));
          for (const [index, { from, to, port, expected }] of flows.entries()) {
            const { server, error } = answers[index] ?? {};
            const got = server ?? (error === 'TIMEOUT' ? 'dropped' : error === 'ECONNREFUSED' ? 'rejected' : error);
            const isRight = typeof expected === 'string' ? got === expected : expected.some((pod) => pod === got);
            assert.ok(isRight, `${from} → ${to}:${port}: ${got}, not ${String(expected)}\n${JSON.stringify(shapes)}`);
          }
        }),
        // Every drop takes as long as its client waits: some three seconds a round.
        { numRuns: 8, seed: 7, endOnFailure: true },
      );
    });
  });
}
