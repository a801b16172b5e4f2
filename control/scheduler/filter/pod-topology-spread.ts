/** Topology spread constraints with whenUnsatisfiable DoNotSchedule. */
import { matchesLabels } from '#api/selector.ts';
import type { Pod, TopologySpreadConstraint } from '#api/types.generated.ts';
import { type DomainCounts, domainOf } from '../domain-counts.ts';
import { type FilterPlugin, type NodeCheck, rejectionOf, skip } from '../framework.ts';
import { type Snapshot, spreadSelector } from '../snapshot.ts';
import { compileConstraints, counts, countsOf, type SpreadConstraint, withAllKeys } from '../spread-constraints.ts';

const name = 'PodTopologySpread';
const notMatched = "node(s) didn't match pod topology spread constraints";
const tooSkewed = rejectionOf(name, true, notMatched);
const noLabel = rejectionOf(name, false, `${notMatched} (missing required label)`);

interface Counted {
  constraint: SpreadConstraint;
  byDomain: DomainCounts;
  isCounted(other: Pod): boolean;
  /** 1 when the pod matches its own constraint, otherwise 0. */
  self: number;
}

/** Makes the filter PodTopologySpread. @param defaults for pods without constraints of their own */
export function podTopologySpreadFilter(defaults: readonly TopologySpreadConstraint[] = []): FilterPlugin {
  const hard = defaults.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule');
  return {
    name,
    prepare(pod, snapshot) {
      const constraints = constraintsOf(pod, hard, snapshot);
      if (constraints.length === 0) return skip;
      const keys = constraints.map(({ topologyKey }) => topologyKey);
      const counted = constraints.map((constraint): Counted => {
        const nodes = withAllKeys(constraint.nodes, keys);
        return {
          constraint,
          byDomain: countsOf(pod, constraint.selector, constraint.topologyKey, nodes, snapshot),
          isCounted: counts(pod, constraint.selector),
          self: matchesLabels(constraint.selector, pod.metadata.labels) ? 1 : 0,
        };
      });
      return { kind: 'check', check: checkOf(counted) };
    },
  };
}

/** The filter without default constraints, as upstream has it. */
export const podTopologySpread: FilterPlugin = podTopologySpreadFilter();

function constraintsOf(pod: Pod, defaults: readonly TopologySpreadConstraint[], snapshot: Snapshot): SpreadConstraint[] {
  const own = pod.spec.topologySpreadConstraints ?? [];
  if (own.length > 0) return compileConstraints(pod, own, 'DoNotSchedule');
  if (defaults.length === 0) return [];
  const selector = spreadSelector(pod, snapshot);
  return selector === undefined ? [] : compileConstraints(pod, defaults, 'DoNotSchedule', selector);
}

function checkOf(counted: readonly Counted[]): NodeCheck {
  const least = counted.map(({ byDomain, constraint }) => (byDomain.domains.size < constraint.minDomains ? 0 : byDomain.least));
  return (info, changes) => {
    for (const [index, { constraint, byDomain, isCounted, self }] of counted.entries()) {
      const domain = domainOf(info, constraint.topologyKey);
      if (domain === undefined) return noLabel;
      const before = byDomain.in(domain);
      let now = before;
      let minimum = least[index] ?? 0;
      if (changes !== undefined && byDomain.domains.of(info) !== undefined) {
        now += changes.added.filter(isCounted).length - changes.removed.filter(isCounted).length;
        // Fewer pods here may be the new minimum. (Upstream: criticalPaths.) More pods here may end the old one.
        if (now !== before && byDomain.domains.size >= constraint.minDomains) minimum = byDomain.leastWith(domain, now);
      }
      if (now + self - minimum > constraint.maxSkew) return tooSkewed;
    }
    return undefined;
  };
}
