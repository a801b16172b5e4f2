/** Where a pod goes, and why: filters, then scores. Pure but for the injected random number that breaks ties. */
import type { Pod } from '#api/types.generated.ts';
import { type Filtering, type FilterPlugin, type Rejection, rejectionOf, type ScorePlugin } from './framework.ts';
import { type NodeInfo, podPriority, withPods } from './node-info.ts';
import { type Snapshot, withNode } from './snapshot.ts';

/** Pods that wait for room that was made for them, by the node where it was made. */
export type Nominations = ReadonlyMap<string, readonly Pod[]>;

export interface NodeScore {
  plugin: string;
  /** 0 to 100, before the weight. */
  score: number;
  weight: number;
}

/** The verdict on one node. Scores are absent where there was nothing to choose between. */
export interface NodeVerdict {
  node: string;
  rejection?: Rejection;
  scores?: readonly NodeScore[];
  total?: number;
}

export interface Choice {
  /** Undefined when no node fits. */
  node: string | undefined;
  verdicts: readonly NodeVerdict[];
  /** Set when a filter refused all nodes at once. */
  refusal?: Rejection;
  /** Names of the filters that rejected some node: what has to change before another attempt makes sense. */
  rejectedBy: ReadonlySet<string>;
}

export interface Plugins {
  filters: readonly FilterPlugin[];
  scores: readonly ScorePlugin[];
}

/** `random` is in [0, 1). */
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
  // Room was made there for this pod: upstream looks nowhere else while it fits.
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
  /** Nodes outside are rejected without a look. */
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
 * A node must take the pod whether or not the pods nominated to it (of at least its priority) come: those may fail to, and
 * the pod must not take the room that was made for them.
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

/** Whether the node in the state `info` rejects the pod, all other nodes being as in the snapshot. */
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
