/** Chooses a node for a pod: filters, then scores. Pure, except for the injected random number that breaks ties. */
import type { Pod } from '#api/types.generated.ts';
import { type Filtering, type FilterPlugin, type Rejection, rejectionOf, type ScorePlugin } from './framework.ts';
import { type NodeInfo, podPriority, withPods } from './node-info.ts';
import { type Snapshot, withNode } from './snapshot.ts';

/** The nominated pods of each node: preemption is freeing resources for them there. */
export type Nominations = ReadonlyMap<string, readonly Pod[]>;

/** The score of one plugin for one node. */
export interface NodeScore {
  plugin: string;
  /** 0 to 100, before the weight is applied. */
  score: number;
  weight: number;
}

/** The result for one node. Scores are absent when only one node was feasible. */
export interface NodeVerdict {
  node: string;
  rejection?: Rejection;
  scores?: readonly NodeScore[];
  total?: number;
}

/** The result of one scheduling decision. */
export interface Choice {
  /** The chosen node. Undefined when no node fits. */
  node: string | undefined;
  verdicts: readonly NodeVerdict[];
  /** Set when a filter refused all nodes at once. */
  refusal?: Rejection;
  /** The filters that rejected some node. One of their inputs must change before another attempt makes sense. */
  rejectedBy: ReadonlySet<string>;
}

/** The plugins of a scheduler, in order. */
export interface Plugins {
  filters: readonly FilterPlugin[];
  scores: readonly ScorePlugin[];
}

/** Chooses a node. `random` returns a number in [0, 1). */
export function chooseNode(
  pod: Pod,
  snapshot: Snapshot,
  nominations: Nominations,
  plugins: Plugins,
  random: () => number,
): Choice {
  const filtering = prepareFilters(pod, snapshot, plugins.filters);
  if (filtering.refusal !== undefined) {
    const { refusal } = filtering;
    const verdicts = snapshot.nodes.map(({ name }) => ({ node: name, rejection: refusal }));
    return { node: undefined, verdicts, refusal, rejectedBy: new Set([refusal.plugin]) };
  }
  const rejections = new Map<string, Rejection>();
  const rejectNode = (info: NodeInfo): Rejection | undefined => {
    const rejection = filterWithNominations(pod, info, snapshot, nominations, plugins.filters, filtering);
    if (rejection !== undefined) rejections.set(info.name, rejection);
    return rejection;
  };
  // The pod has a nominated node. Like upstream, no other node is checked while that one fits.
  const nominated = snapshot.node(pod.status?.nominatedNodeName ?? '');
  const feasible =
    nominated !== undefined && rejectNode(nominated) === undefined
      ? [nominated]
      : snapshot.nodes.filter((info) => !rejections.has(info.name) && rejectNode(info) === undefined);
  const scores = feasible.length > 1 ? scoreNodes(pod, feasible, snapshot, plugins.scores) : new Map<string, NodeScore[]>();
  const verdicts = [
    ...feasible.map(({ name }) => scoredVerdict(name, scores.get(name))),
    ...[...rejections].map(([node, rejection]) => ({ node, rejection })),
  ];
  return {
    node: best(verdicts.slice(0, feasible.length), random),
    verdicts: verdicts.sort((a, b) => (a.node < b.node ? -1 : 1)),
    rejectedBy: new Set([...rejections.values()].map(({ plugin }) => plugin)),
  };
}

interface PreparedFilters {
  checks: readonly Extract<Filtering, { kind: 'check' }>[];
  refusal?: Rejection;
  /** Nodes outside of this set are rejected without a check. */
  onlyNodes?: { names: ReadonlySet<string>; rejection: Rejection };
}

function prepareFilters(pod: Pod, snapshot: Snapshot, filters: readonly FilterPlugin[]): PreparedFilters {
  const checks: Extract<Filtering, { kind: 'check' }>[] = [];
  let onlyNodes: PreparedFilters['onlyNodes'];
  for (const { name, prepare } of filters) {
    const filtering = prepare(pod, snapshot);
    if (filtering.kind === 'refuse') return { checks, refusal: filtering.rejection };
    if (filtering.kind === 'skip') continue;
    checks.push(filtering);
    if (filtering.onlyNodes !== undefined) {
      onlyNodes = {
        names: filtering.onlyNodes,
        rejection: rejectionOf(name, false, `node(s) didn't satisfy plugin(s) [${name}]`),
      };
    }
  }
  return onlyNodes === undefined ? { checks } : { checks, onlyNodes };
}

function runFilters({ checks, onlyNodes }: PreparedFilters, info: NodeInfo): Rejection | undefined {
  if (onlyNodes !== undefined && !onlyNodes.names.has(info.name)) return onlyNodes.rejection;
  for (const { check } of checks) {
    const rejection = check(info);
    if (rejection !== undefined) return rejection;
  }
  return undefined;
}

/**
 * Checks a node twice: with and without the pods that are nominated to it and have at least this pod's priority. Both must fit,
 * because nominated pods may never come, and if they come the pod must not have taken their resources.
 */
function filterWithNominations(
  pod: Pod,
  info: NodeInfo,
  snapshot: Snapshot,
  nominations: Nominations,
  filters: readonly FilterPlugin[],
  prepared: PreparedFilters,
): Rejection | undefined {
  const expected = (nominations.get(info.name) ?? []).filter(
    (other) => other.metadata.uid !== pod.metadata.uid && podPriority(other) >= podPriority(pod),
  );
  if (expected.length > 0) {
    const rejection = rejectNodeIn(pod, withPods(info, expected), snapshot, filters);
    if (rejection !== undefined) return rejection;
  }
  return runFilters(prepared, info);
}

/**
 * Whether a node in the state `info` rejects the pod, with all other nodes as in the snapshot. @returns the rejection; undefined
 * when the node fits
 */
export function rejectNodeIn(
  pod: Pod,
  info: NodeInfo,
  snapshot: Snapshot,
  filters: readonly FilterPlugin[],
): Rejection | undefined {
  const prepared = prepareFilters(pod, withNode(snapshot, info), filters);
  return prepared.refusal ?? runFilters(prepared, info);
}

function scoreNodes(
  pod: Pod,
  feasible: readonly NodeInfo[],
  snapshot: Snapshot,
  plugins: readonly ScorePlugin[],
): Map<string, NodeScore[]> {
  const byNode = new Map(feasible.map(({ name }): [string, NodeScore[]] => [name, []]));
  for (const { name, weight, score } of plugins) {
    score(pod, feasible, snapshot)?.forEach((value, index) => {
      byNode.get(feasible[index]?.name ?? '')?.push({ plugin: name, score: value, weight });
    });
  }
  return byNode;
}

function scoredVerdict(node: string, scores: readonly NodeScore[] | undefined): NodeVerdict {
  if (scores === undefined) return { node };
  return { node, scores, total: scores.reduce((sum, { score, weight }) => sum + score * weight, 0) };
}

function best(feasible: readonly NodeVerdict[], random: () => number): string | undefined {
  const highest = Math.max(...feasible.map(({ total }) => total ?? 0));
  const tied = feasible.filter(({ total }) => (total ?? 0) === highest);
  return tied[Math.floor(random() * tied.length)]?.node;
}
