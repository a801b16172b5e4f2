/** Topology spread constraints with whenUnsatisfiable DoNotSchedule. */

import { ownValue } from '#api/own-value.ts';
import { matchesLabels } from '#api/selector.ts';
import type { Pod } from '#api/types.generated.ts';
import { type FilterPlugin, type Rejection, rejectionOf } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Snapshot } from '../snapshot.ts';
import { countMatching, hasAllTopologyKeys, ownConstraints, type SpreadConstraint } from '../spread-constraints.ts';

const name = 'PodTopologySpread';
const notMatched = "node(s) didn't match pod topology spread constraints";

interface Counted {
  constraint: SpreadConstraint;
  /** Number of matching pods by value of the topology label. */
  counts: ReadonlyMap<string, number>;
  /** The smallest of the numbers; 0 while there are fewer domains than `minDomains`. */
  least: number;
  /** 1 when the pod matches its own constraint, otherwise 0. */
  self: number;
}

/** The filter PodTopologySpread. */
export const podTopologySpread: FilterPlugin = {
  name,
  prepare(pod, snapshot) {
    const constraints = ownConstraints(pod, 'DoNotSchedule');
    if (constraints.length === 0) return { kind: 'skip' };
    const eligible = snapshot.nodes.filter((info) => hasAllTopologyKeys(info, constraints));
    const counted = constraints.map((constraint) => count(pod, constraint, eligible));
    return { kind: 'check', check: (info) => checkNode(counted, info) };
  },
};

function count(pod: Pod, constraint: SpreadConstraint, eligible: Snapshot['nodes']): Counted {
  const counts = new Map<string, number>();
  for (const info of eligible) {
    if (!constraint.includes(info)) continue;
    const value = ownValue(info.labels, constraint.topologyKey) ?? '';
    counts.set(value, (counts.get(value) ?? 0) + countMatching(info, constraint.selector, pod.metadata.namespace));
  }
  return {
    constraint,
    counts,
    least: counts.size < constraint.minDomains ? 0 : Math.min(...counts.values()),
    self: matchesLabels(constraint.selector, pod.metadata.labels) ? 1 : 0,
  };
}

function checkNode(counted: readonly Counted[], info: NodeInfo): Rejection | undefined {
  for (const { constraint, counts, least, self } of counted) {
    const value = ownValue(info.labels, constraint.topologyKey);
    if (value === undefined) return rejectionOf(name, false, `${notMatched} (missing required label)`);
    if ((counts.get(value) ?? 0) + self - least > constraint.maxSkew) return rejectionOf(name, true, notMatched);
  }
  return undefined;
}
