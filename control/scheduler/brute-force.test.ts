/**
 * Feasibility and scores equal a naive evaluation of the documented rules, for generated clusters and pods. The naive one knows
 * neither indexes nor sums: it walks over all nodes and pods for each question.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { LabelSelector, Node, Pod, PodAffinityTerm, TopologySpreadConstraint } from '#api/types.generated.ts';
import { SchedulerCache } from './cache.ts';
import { chooseNode } from './decide.ts';
import { node, type PodFixture, pod } from './objects.testing.ts';
import { filterPlugins, scorePlugins } from './plugins.ts';
import { TemplateMemos } from './template-memo.ts';

const apps = ['a', 'b'];
const selector = fc.constantFrom<LabelSelector>(
  { matchLabels: { app: 'a' } },
  { matchLabels: { app: 'b' } },
  { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
  { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['a'] }] },
);
const topologyKey = fc.constantFrom('zone', 'kubernetes.io/hostname', 'rack');
const term = fc.record(
  { labelSelector: selector, topologyKey, namespaces: fc.constantFrom(['default'], ['other'], ['default', 'other']) },
  { requiredKeys: ['labelSelector', 'topologyKey'] },
);
const weighted = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 100 }), podAffinityTerm: term }), { maxLength: 2 });
const affinity = fc.record({
  required: fc.array(term, { maxLength: 1 }),
  requiredAnti: fc.array(term, { maxLength: 1 }),
  preferred: weighted,
  preferredAnti: weighted,
});
const constraint = fc.record(
  {
    maxSkew: fc.integer({ min: 1, max: 3 }),
    topologyKey,
    whenUnsatisfiable: fc.constantFrom('DoNotSchedule', 'ScheduleAnyway'),
    labelSelector: selector,
    minDomains: fc.integer({ min: 1, max: 4 }),
    nodeTaintsPolicy: fc.constantFrom('Honor', 'Ignore'),
    nodeAffinityPolicy: fc.constantFrom('Honor', 'Ignore'),
    matchLabelKeys: fc.constant(['app']),
  },
  { requiredKeys: ['maxSkew', 'topologyKey', 'whenUnsatisfiable', 'labelSelector'] },
);
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined, freq: 2 });
const anyPod = fc.record({
  cpu: fc.integer({ min: 0, max: 12 }),
  memory: fc.integer({ min: 0, max: 4 }),
  app: fc.option(fc.constantFrom(...apps), { nil: undefined }),
  namespace: fc.constantFrom('default', 'other'),
  hostPort: maybe(fc.constantFrom(80, 81)),
  zone: maybe(fc.constantFrom('x', 'y')),
  tolerates: fc.boolean(),
  leaving: fc.boolean(),
  affinity: maybe(affinity),
  constraints: fc.array(constraint, { maxLength: 2 }),
});
const anyNode = fc.record({
  zone: maybe(fc.constantFrom('x', 'y', 'z')),
  rack: maybe(fc.constantFrom('1', '2')),
  cpu: fc.integer({ min: 0, max: 40 }),
  cordoned: fc.boolean(),
  taint: maybe(fc.constantFrom('NoSchedule', 'PreferNoSchedule', 'NoExecute')),
});
type NodeSeed = typeof anyNode extends fc.Arbitrary<infer T> ? T : never;
type PodSeed = typeof anyPod extends fc.Arbitrary<infer T> ? T : never;

const nodeOf = (index: number, { zone, rack, cpu, cordoned, taint }: NodeSeed): Node =>
  node(`n${index}`, {
    labels: { ...(zone === undefined ? {} : { zone }), ...(rack === undefined ? {} : { rack }) },
    allocatable: { cpu: `${cpu}00m`, memory: '8Gi', pods: '4' },
    ...(cordoned ? { unschedulable: true } : {}),
    ...(taint === undefined ? {} : { taints: [{ key: 'k', effect: taint }] }),
  });

function podOf(name: string, seed: PodSeed): Pod {
  const { affinity: wanted } = seed;
  const fixture: PodFixture = {
    ...(seed.cpu === 0 ? {} : { cpu: `${seed.cpu}00m` }),
    ...(seed.memory === 0 ? {} : { memory: `${seed.memory}Gi` }),
    labels: seed.app === undefined ? {} : { app: seed.app },
    namespace: seed.namespace,
    ...(seed.hostPort === undefined ? {} : { hostPort: seed.hostPort }),
    ...(seed.zone === undefined ? {} : { nodeSelector: { zone: seed.zone } }),
    ...(seed.tolerates ? { tolerations: [{ key: 'k', operator: 'Exists' }] } : {}),
    deleting: seed.leaving,
    topologySpreadConstraints: seed.constraints as never,
    ...(wanted === undefined
      ? {}
      : {
          affinity: {
            podAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: wanted.required as never,
              preferredDuringSchedulingIgnoredDuringExecution: wanted.preferred as never,
            },
            podAntiAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: wanted.requiredAnti as never,
              preferredDuringSchedulingIgnoredDuringExecution: wanted.preferredAnti as never,
            },
          },
        }),
  };
  return pod(name, fixture);
}

/** A cluster as a plain list: what is written here is the rule, not the way to it. */
interface Naive {
  nodes: Node[];
  placed: { pod: Pod; node: Node }[];
}

const labelsOf = ({ metadata }: Node | Pod): Record<string, string> => metadata.labels ?? {};
function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Record<string, string>): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) =>
      operator === 'Exists' ? key in labels : !values.includes(labels[key] ?? ''),
    )
  );
}
const termMatches = (owner: Pod, one: PodAffinityTerm, other: Pod): boolean =>
  (one.namespaces ?? [owner.metadata.namespace]).includes(other.metadata.namespace ?? '') &&
  selects(one.labelSelector ?? {}, labelsOf(other));
const required = ({ spec }: Pod, which: 'podAffinity' | 'podAntiAffinity'): PodAffinityTerm[] =>
  spec.affinity?.[which]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
const sameDomain = (a: Node, b: Node, key: string): boolean => key in labelsOf(a) && labelsOf(a)[key] === labelsOf(b)[key];
const tolerates = (pod: Pod): boolean => (pod.spec.tolerations ?? []).length > 0;
const untolerated = (pod: Pod, one: Node, effects: string[]): number =>
  tolerates(pod) ? 0 : (one.spec.taints ?? []).filter(({ effect }) => effects.includes(effect)).length;
const hard = ['NoSchedule', 'NoExecute'];
const inZone = (pod: Pod, one: Node): boolean =>
  pod.spec.nodeSelector === undefined || labelsOf(one)['zone'] === pod.spec.nodeSelector['zone'];
const amount = (pod: Pod, resource: 'cpu' | 'memory'): number => {
  const text = pod.spec.containers[0]?.resources?.requests?.[resource];
  return text === undefined ? 0 : Number.parseInt(String(text), 10) * (resource === 'cpu' ? 1 : 2 ** 30);
};
const capacity = (one: Node, resource: 'cpu' | 'memory'): number =>
  resource === 'cpu' ? Number.parseInt(String(one.status?.allocatable?.['cpu']), 10) : 8 * 2 ** 30;

/** The reason why the node cannot run the pod, as the name of the filter. */
function naiveFilter(pod: Pod, one: Node, { nodes, placed }: Naive): string | undefined {
  const here = placed.filter((entry) => entry.node === one).map((entry) => entry.pod);
  if (one.spec.unschedulable === true) return 'NodeUnschedulable';
  if (untolerated(pod, one, hard) > 0) return 'TaintToleration';
  if (!inZone(pod, one)) return 'NodeAffinity';
  const ports = ({ spec }: Pod): number[] =>
    spec.containers.flatMap(({ ports: all = [] }) => all.map(({ hostPort = 0 }) => hostPort));
  if (here.some((other) => ports(other).some((port) => ports(pod).includes(port)))) return 'NodePorts';
  const full = (['cpu', 'memory'] as const).some((resource) => {
    const wanted = amount(pod, resource);
    return wanted > 0 && here.reduce((sum, other) => sum + amount(other, resource), wanted) > capacity(one, resource);
  });
  if (here.length >= 4 || full) return 'NodeResourcesFit';
  if (!naiveSpreads(pod, one, { nodes, placed })) return 'PodTopologySpread';
  const wanted = required(pod, 'podAffinity');
  const friends = placed.filter((entry) => wanted.every((one) => termMatches(pod, one, entry.pod)));
  const joins = wanted.every((term) => friends.some((entry) => sameDomain(one, entry.node, term.topologyKey)));
  const lonely =
    wanted.every((term) => termMatches(pod, term, pod) && term.topologyKey in labelsOf(one)) &&
    friends.every((entry) => wanted.every((term) => !(term.topologyKey in labelsOf(entry.node))));
  if (wanted.length > 0 && !joins && !lonely) return 'InterPodAffinity';
  const avoids = required(pod, 'podAntiAffinity').some((term) =>
    placed.some((entry) => termMatches(pod, term, entry.pod) && sameDomain(one, entry.node, term.topologyKey)),
  );
  const avoided = placed.some((entry) =>
    required(entry.pod, 'podAntiAffinity').some(
      (term) => termMatches(entry.pod, term, pod) && sameDomain(one, entry.node, term.topologyKey),
    ),
  );
  return avoids || avoided ? 'InterPodAffinity' : undefined;
}

const constraintsOf = ({ spec }: Pod, when: string): TopologySpreadConstraint[] =>
  (spec.topologySpreadConstraints ?? []).filter(({ whenUnsatisfiable }) => whenUnsatisfiable === when);

/** The pods that a constraint counts in each domain that counts. */
function domains(
  pod: Pod,
  one: TopologySpreadConstraint,
  all: TopologySpreadConstraint[],
  { nodes, placed }: Naive,
): Map<string, number> {
  const counted = nodes.filter(
    (other) =>
      all.every(({ topologyKey: key }) => key in labelsOf(other)) &&
      (one.nodeAffinityPolicy === 'Ignore' || inZone(pod, other)) &&
      (one.nodeTaintsPolicy !== 'Honor' || untolerated(pod, other, hard) === 0),
  );
  const counts = new Map<string, number>();
  for (const other of counted) {
    const value = labelsOf(other)[one.topologyKey] ?? '';
    const found = placed.filter((entry) => entry.node === other && spreadCounts(pod, one, entry.pod)).length;
    counts.set(value, (counts.get(value) ?? 0) + found);
  }
  return counts;
}

function spreadCounts(pod: Pod, { labelSelector = {}, matchLabelKeys = [] }: TopologySpreadConstraint, other: Pod): boolean {
  return (
    other.metadata.namespace === pod.metadata.namespace &&
    other.metadata.deletionTimestamp === undefined &&
    selects(labelSelector, labelsOf(other)) &&
    matchLabelKeys.every((key) => !(key in labelsOf(pod)) || labelsOf(other)[key] === labelsOf(pod)[key])
  );
}

function naiveSpreads(pod: Pod, one: Node, naive: Naive): boolean {
  const all = constraintsOf(pod, 'DoNotSchedule');
  return all.every((constraint) => {
    const value = labelsOf(one)[constraint.topologyKey];
    if (value === undefined) return false;
    const counts = domains(pod, constraint, all, naive);
    const least = counts.size < (constraint.minDomains ?? 1) ? 0 : Math.min(...counts.values(), Number.MAX_SAFE_INTEGER);
    const { deletionTimestamp: _, ...metadata } = pod.metadata;
    const self = spreadCounts(pod, constraint, { ...pod, metadata }) ? 1 : 0;
    return (counts.get(value) ?? 0) + self - least <= constraint.maxSkew;
  });
}

const scale = (numbers: number[], reverse: boolean): number[] => {
  const largest = Math.max(0, ...numbers);
  return numbers.map((value) => {
    const scaled = largest === 0 ? 0 : Math.trunc((100 * value) / largest);
    return reverse ? 100 - scaled : scaled;
  });
};

/** The scores of each plugin that has an opinion. */
function naiveScores(pod: Pod, feasible: Node[], naive: Naive): Record<string, number[]> {
  const here = (one: Node): Pod[] => naive.placed.filter((entry) => entry.node === one).map((entry) => entry.pod);
  const scores: Record<string, number[]> = {
    TaintToleration: scale(
      feasible.map((one) => untolerated(pod, one, ['PreferNoSchedule'])),
      true,
    ),
    NodeResourcesFit: feasible.map((one) => {
      const shares = (['cpu', 'memory'] as const).flatMap((resource) => {
        const small = resource === 'cpu' ? 100 : 200 * 2 ** 20;
        const total = capacity(one, resource);
        const used = [...here(one), pod].reduce((sum, other) => sum + (amount(other, resource) || small), 0);
        return total === 0 ? [] : [used > total ? 0 : Math.trunc(((total - used) * 100) / total)];
      });
      return shares.length === 0 ? 0 : Math.trunc(shares.reduce((sum, share) => sum + share, 0) / shares.length);
    }),
    ImageLocality: feasible.map(() => 0),
  };
  if (amount(pod, 'cpu') + amount(pod, 'memory') > 0) {
    const even = (one: Node, pods: Pod[]): number => {
      const [first, second] = (['cpu', 'memory'] as const).flatMap((resource) => {
        const total = capacity(one, resource);
        return total === 0 ? [] : [Math.min(1, pods.reduce((sum, other) => sum + amount(other, resource), 0) / total)];
      });
      return Math.trunc((1 - (first === undefined || second === undefined ? 0 : Math.abs((first - second) / 2))) * 100);
    };
    scores['NodeResourcesBalancedAllocation'] = feasible.map((one) =>
      Math.trunc(50 + Math.trunc((50 + even(one, [...here(one), pod]) - even(one, here(one))) / 2)),
    );
  }
  const spread = naiveSpreadScores(pod, feasible, naive);
  if (spread !== undefined) scores['PodTopologySpread'] = spread;
  const liked = naiveAffinityScores(pod, feasible, naive);
  if (liked !== undefined) scores['InterPodAffinity'] = liked;
  return scores;
}

function naiveSpreadScores(pod: Pod, feasible: Node[], naive: Naive): number[] | undefined {
  const all = constraintsOf(pod, 'ScheduleAnyway');
  if (all.length === 0) return undefined;
  const complete = (one: Node): boolean => all.every(({ topologyKey: key }) => key in labelsOf(one));
  const candidates = feasible.filter(complete);
  const sums = feasible.map((one) => {
    if (!complete(one)) return undefined;
    const sum = all.reduce((total, constraint) => {
      const { topologyKey: key, maxSkew } = constraint;
      const value = labelsOf(one)[key] ?? '';
      const isHost = key === 'kubernetes.io/hostname';
      const size = isHost ? candidates.length : new Set(candidates.map((other) => labelsOf(other)[key])).size;
      const count = isHost
        ? naive.placed.filter((entry) => entry.node === one && spreadCounts(pod, constraint, entry.pod)).length
        : (domains(pod, constraint, all, naive).get(value) ?? 0);
      return total + count * Math.log(size + 2) + maxSkew - 1;
    }, 0);
    return Math.round(sum);
  });
  const known = sums.filter((sum) => sum !== undefined);
  const [least, most] = [Math.min(...known), Math.max(0, ...known)];
  return sums.map((sum) => (sum === undefined ? 0 : most === 0 ? 100 : Math.trunc((100 * (most + least - sum)) / most)));
}

function naiveAffinityScores(pod: Pod, feasible: Node[], { placed }: Naive): number[] | undefined {
  const preferred = ({ spec }: Pod): { weight: number; podAffinityTerm: PodAffinityTerm }[] => [
    ...(spec.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((one) => ({
      ...one,
      weight: -one.weight,
    })),
  ];
  const credits: { at: Node; key: string; weight: number }[] = [];
  for (const { pod: other, node: at } of placed) {
    const credit = (term: PodAffinityTerm, weight: number): void => {
      if (term.topologyKey in labelsOf(at)) credits.push({ at, key: term.topologyKey, weight });
    };
    for (const { weight, podAffinityTerm: term } of preferred(pod)) if (termMatches(pod, term, other)) credit(term, weight);
    for (const { weight, podAffinityTerm: term } of preferred(other)) if (termMatches(other, term, pod)) credit(term, weight);
    for (const term of required(other, 'podAffinity')) if (termMatches(other, term, pod)) credit(term, 1);
  }
  if (credits.length === 0) return undefined;
  const sums = feasible.map((one) =>
    credits.reduce((sum, { at, key, weight }) => sum + (sameDomain(one, at, key) ? weight : 0), 0),
  );
  const [least, most] = [Math.min(...sums), Math.max(...sums)];
  return sums.map((sum) => (most === least ? 0 : Math.trunc(100 * ((sum - least) / (most - least)))));
}

const action = fc.record({
  kind: fc.constantFrom('place', 'remove', 'relabel'),
  pod: anyPod,
  node: fc.nat(),
  relabelled: anyNode,
});

describe('a decision over the kept sums', () => {
  it('equals a naive evaluation of the documented rules, whatever has come and gone before', () => {
    fc.assert(
      fc.property(
        fc.array(anyNode, { minLength: 1, maxLength: 6 }),
        fc.array(action, { maxLength: 12 }),
        fc.array(anyPod, { minLength: 1, maxLength: 3 }),
        (nodeSeeds, actions, incoming) => {
          const cache = new SchedulerCache();
          // Kept over all decisions, as the scheduler keeps them.
          const search = () => ({ percentageOfNodesToScore: 100, start: 0, memos });
          const plugins = { filters: filterPlugins, scores: scorePlugins };
          const memos = new TemplateMemos();
          const naive: Naive = { nodes: nodeSeeds.map((seed, index) => nodeOf(index, seed)), placed: [] };
          for (const one of naive.nodes) cache.setNode(one);
          const decide = (seed: PodSeed, name: string): void => {
            const one = podOf(name, { ...seed, leaving: false });
            const choice = chooseNode(one, cache.snapshot(), new Map(), plugins, () => 0, search());
            const byName = new Map(naive.nodes.map((each) => [each.metadata.name, each]));
            for (const [each, it] of byName)
              assert.equal(choice.rejections.get(each)?.plugin, naiveFilter(one, it, naive), `${name} on ${each}`);
            const feasible = choice.feasible.flatMap(({ name: each }) => byName.get(each) ?? []);
            if (feasible.length < 2) return;
            const scores = Object.fromEntries(choice.scores.map(({ plugin, scores: all }) => [plugin, Array.from(all)]));
            assert.deepEqual(scores, naiveScores(one, feasible, naive));
          };
          actions.forEach(({ kind, pod: seed, node: index, relabelled }, step) => {
            const position = index % naive.nodes.length;
            const at = naive.nodes[position] as Node;
            if (kind === 'place') {
              const placed = podOf(`q${step}`, seed);
              cache.setPod(placed, at.metadata.name);
              naive.placed.push({ pod: placed, node: at });
            } else if (kind === 'remove') {
              const [gone] = naive.placed.splice(index % Math.max(1, naive.placed.length), 1);
              if (gone !== undefined) cache.removePod(gone.pod.metadata.uid);
            } else {
              const changed = nodeOf(position, relabelled);
              cache.setNode(changed);
              naive.nodes[position] = changed;
              for (const entry of naive.placed) if (entry.node === at) entry.node = changed;
            }
            // Asked between the changes, so that the sums are kept and not made at the end.
            decide(incoming[step % incoming.length] as PodSeed, `p${step}`);
          });
          incoming.forEach((seed, index) => decide(seed, `last${index}`));
        },
      ),
      { numRuns: 400 },
    );
  });
});
