import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node, OwnerReference, Pod, Service } from '#api/types.generated.ts';
import type { ScorePlugin } from '../framework.ts';
import { node, type PodFixture, pod, snapshotOf } from '../objects.testing.ts';
import type { SnapshotLookups } from '../snapshot.ts';
import { balancedAllocation } from './balanced-allocation.ts';
import { imageLocality } from './image-locality.ts';
import { interPodAffinityScore } from './inter-pod-affinity.ts';
import { nodeAffinityScore } from './node-affinity.ts';
import { leastAllocated } from './node-resources-fit.ts';
import { podTopologySpreadScore } from './pod-topology-spread.ts';
import { taintTolerationScore } from './taint-toleration.ts';

interface Case {
  name: string;
  pod: Pod;
  nodes: (Node | [Node, ...Pod[]])[];
  lookups?: Partial<SnapshotLookups>;
  /** The names of the feasible nodes. Absent: all. */
  feasible?: string[];
  expected: number[] | undefined;
}

function suite(plugin: ScorePlugin, weight: number, cases: Case[]): void {
  describe(plugin.name, () => {
    it(`weighs ${weight}`, () => assert.equal(plugin.weight, weight));
    for (const { name, pod: incoming, nodes, lookups, feasible, expected } of cases) {
      it(name, () => {
        const snapshot = snapshotOf(nodes, lookups);
        const candidates = snapshot.nodes.filter((info) => feasible?.includes(info.name) ?? true);
        const raw = plugin.score(incoming, candidates, snapshot);
        assert.deepEqual(raw === undefined ? raw : (plugin.normalise?.(raw) ?? raw), expected);
      });
    }
  });
}

const GiB = 1024 ** 3;
suite(leastAllocated, 1, [
  // cpu (4-1)/4 = 75, memory (8-4)/8 = 50, mean 62; and (4-3)/4 = 25, (8-6)/8 = 25.
  {
    name: 'is the mean of the free shares',
    pod: pod('p', { cpu: '1', memory: '4Gi' }),
    nodes: [node('a'), [node('b'), pod('q', { cpu: '2', memory: '2Gi' })]],
    expected: [62, 25],
  },
  // 100m of 4 cores: 97; 200 MiB of 8 GiB: 97.
  { name: 'counts a small request for pods without requests', pod: pod('p'), nodes: [node('a')], expected: [97] },
  {
    name: 'is nothing for what is more than full',
    pod: pod('p', { cpu: '4', memory: '8Gi' }),
    nodes: [[node('a'), pod('q')]],
    expected: [0],
  },
]);

suite(balancedAllocation, 1, [
  { name: 'has no opinion on pods without requests', pod: pod('p'), nodes: [node('a')], expected: undefined },
  // a: even before and after, 75. b: fractions 0.5/0 before (deviation 0.25), 0.5/0.5 after: 50 + (50+25)/2 = 87.
  {
    name: 'rewards what evens out',
    pod: pod('p', { memory: '4Gi' }),
    nodes: [[node('a'), pod('q', { cpu: '2' })]],
    expected: [87],
  },
  { name: 'punishes what does not', pod: pod('p', { cpu: '2' }), nodes: [node('a')], expected: [62] },
  { name: 'is 75 where nothing changes', pod: pod('p', { cpu: '2', memory: '4Gi' }), nodes: [node('a')], expected: [75] },
]);

const holds = (name: string, sizeBytes: number): Node => node(name, { images: [{ names: ['registry/web:latest'], sizeBytes }] });
suite(imageLocality, 1, [
  // Half of the nodes have it, so half of 1 GiB counts: (512 - 23) / (1000 - 23).
  {
    name: 'scales with the size and the share of nodes that have it',
    pod: pod('p', { image: 'registry/web' }),
    nodes: [holds('a', GiB), node('b')],
    expected: [50, 0],
  },
  { name: 'ignores small images', pod: pod('p', { image: 'registry/web' }), nodes: [holds('a', 10 * 1024 ** 2)], expected: [0] },
  {
    name: 'does not reward beyond a bound',
    pod: pod('p', { image: 'registry/web' }),
    nodes: [holds('a', 4 * GiB)],
    expected: [100],
  },
  { name: 'tells tags apart', pod: pod('p', { image: 'registry/web:2' }), nodes: [holds('a', GiB)], expected: [0] },
]);

const soft = (name: string, ...keys: string[]): Node =>
  node(name, { taints: keys.map((key) => ({ key, effect: 'PreferNoSchedule' })) });
suite(taintTolerationScore, 3, [
  {
    name: 'prefers fewer soft taints',
    pod: pod('p'),
    nodes: [soft('a'), soft('b', 'x'), soft('c', 'x', 'y')],
    expected: [100, 50, 0],
  },
  {
    name: 'does not count tolerated ones',
    pod: pod('p', { tolerations: [{ key: 'x', operator: 'Exists' }] }),
    nodes: [soft('a', 'x'), soft('b', 'x', 'y')],
    expected: [100, 0],
  },
  { name: 'is full everywhere without taints', pod: pod('p'), nodes: [soft('a'), soft('b')], expected: [100, 100] },
]);

const preferring = (...weighted: [number, string][]): PodFixture => ({
  affinity: {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: weighted.map(([weight, zone]) => ({
        weight,
        preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] },
      })),
    },
  },
});
const inZone = (name: string, zone: string): Node => node(name, { labels: { zone, 'topology.kubernetes.io/zone': zone } });
suite(nodeAffinityScore, 2, [
  { name: 'has no opinion without preferences', pod: pod('p'), nodes: [node('a')], expected: undefined },
  {
    name: 'adds the weights that are met, scaled',
    pod: pod('p', preferring([80, 'x'], [20, 'y'])),
    nodes: [inZone('a', 'x'), inZone('b', 'y'), inZone('c', 'z')],
    expected: [100, 25, 0],
  },
]);

const web = { app: 'web' };
type SpreadNodes = (Node | [Node, ...Pod[]])[];
const webPod = (name: string, fixture: PodFixture = {}): Pod => pod(name, { labels: web, ...fixture });
const service = { spec: { selector: web } } as unknown as Service;
const anyway = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: web } };
suite(podTopologySpreadScore, 2, [
  { name: 'has no opinion on pods that belong to nothing', pod: webPod('p'), nodes: [node('a')], expected: undefined },
  // ln(2+2) * 2 + 2, ln(4) * 0 + 2, each plus 4 for the zone constraint on unlabelled nodes: 5, 2 → 100 * (5+2-5)/5.
  {
    name: 'spreads pods of a service over nodes',
    pod: webPod('p'),
    nodes: [[node('a'), webPod('q'), webPod('r')], node('b')],
    lookups: { services: () => [service] },
    expected: [40, 100],
  },
  ...['ReplicaSet', 'StatefulSet'].map((kind) => ({
    name: `spreads pods of a ${kind}`,
    pod: webPod('p', { owner: { kind, name: 'web' } }),
    nodes: [[node('a'), webPod('q')], node('b')] as SpreadNodes,
    lookups: {
      ownerSelector: (_namespace: string, owner: OwnerReference) => (owner.name === 'web' ? { matchLabels: web } : undefined),
    },
    expected: [66, 100],
  })),
  {
    name: 'spreads over zones, counting nodes that do not fit, too',
    pod: webPod('p', { topologySpreadConstraints: [anyway] }),
    nodes: [inZone('a', 'x'), inZone('b', 'y'), [inZone('c', 'x'), webPod('q'), webPod('r')]],
    feasible: ['a', 'b'],
    expected: [0, 100],
  },
  {
    name: 'gives nothing to nodes without the label',
    pod: webPod('p', { topologySpreadConstraints: [anyway] }),
    nodes: [inZone('a', 'x'), node('b')],
    expected: [100, 0],
  },
]);

const liking = (weight: number, anti = false): PodFixture => {
  const term = {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { weight, podAffinityTerm: { topologyKey: 'zone', labelSelector: { matchLabels: web } } },
    ],
  };
  return { affinity: anti ? { podAntiAffinity: term } : { podAffinity: term } };
};
const required: PodFixture = {
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: { matchLabels: web } }],
    },
  },
};
const [x, y] = [inZone('a', 'x'), inZone('b', 'y')];
suite(interPodAffinityScore, 2, [
  { name: 'has no opinion where nobody has', pod: pod('p'), nodes: [[x, webPod('q')], y], expected: undefined },
  { name: 'prefers the pods it likes', pod: pod('p', liking(10)), nodes: [[x, webPod('q')], y], expected: [100, 0] },
  { name: 'avoids the pods it dislikes', pod: pod('p', liking(10, true)), nodes: [[x, webPod('q')], y], expected: [0, 100] },
  { name: 'goes where it is liked', pod: webPod('p'), nodes: [x, [y, pod('q', liking(5))]], expected: [0, 100] },
  { name: 'goes where it is needed', pod: webPod('p'), nodes: [x, [y, pod('q', required)]], expected: [0, 100] },
  { name: 'goes least where it is disliked', pod: webPod('p'), nodes: [x, [y, pod('q', liking(5, true))]], expected: [100, 0] },
  {
    name: 'adds up',
    pod: pod('p', liking(10)),
    nodes: [[x, webPod('q')], [y, webPod('r'), webPod('s')], inZone('c', 'z')],
    expected: [50, 100, 0],
  },
]);
