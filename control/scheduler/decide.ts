/** Chooses a node for a pod: filters, then scores. Pure, except for the injected random number that breaks ties. */
import type { Pod } from '#api/types.generated.ts';
import { filterWithNominations, type Nominations, prepareFilters } from './feasible-nodes.ts';
import type { FilterPlugin, Rejection, ScorePlugin } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';
import type { TemplateMemo, TemplateMemos } from './template-memo.ts';

export { type Nominations, rejectNodeIn } from './feasible-nodes.ts';

/** The score of one plugin for one node. */
export interface NodeScore {
  plugin: string;
  /** The plugin's own number, for example of taints. */
  raw: number;
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

/** The scores of one plugin for all feasible nodes. */
export interface PluginScores {
  readonly plugin: string;
  readonly weight: number;
  /** The plugin's own numbers. */
  readonly raw: ArrayLike<number>;
  /** The same as scores from 0 to 100. */
  readonly scores: ArrayLike<number>;
}

/** The result of one scheduling decision. */
export interface Choice {
  /** The chosen node. Undefined when no node fits. */
  readonly node: string | undefined;
  /** The nodes that fit, as far as they were looked for. */
  readonly feasible: readonly NodeInfo[];
  /** Empty when there was nothing to choose. Each in the order of {@link feasible}. */
  readonly scores: readonly PluginScores[];
  /** Those of the nodes that were looked at and do not fit. */
  readonly rejections: ReadonlyMap<string, Rejection>;
  /** Set when a filter refused all nodes at once. */
  readonly refusal?: Rejection;
  /** The filters that rejected some node. One of their inputs must change before another attempt makes sense. */
  readonly rejectedBy: ReadonlySet<string>;
  /** All of this by node, sorted by name. Made when asked for. */
  readonly verdicts: readonly NodeVerdict[];
}

/** The plugins of a scheduler, in order. */
export interface Plugins {
  filters: readonly FilterPlugin[];
  scores: readonly ScorePlugin[];
  /** Whether one node that fits is as good as any. Default: when there are no scores. */
  findOne?: boolean;
}

/** How many nodes are looked at before the best of those found is taken, and where the search begins. */
export interface NodeSearch {
  /** Percentage of the nodes that are enough when they fit; 0: fewer for larger clusters. */
  percentageOfNodesToScore: number;
  /** Where in the snapshot's order the next search begins, so that every node gets its turn. {@link chooseNode} moves it on. */
  start: number;
  /** What was found out for earlier pods. Absent: every node is looked at anew. */
  memos?: TemplateMemos;
  /** Is told how long the parts of a decision took. Absent: nobody is. */
  phases?: DecisionPhases;
}

/** Times the parts of decisions. */
export interface DecisionPhases {
  /** Monotonic. */
  nowMs(): number;
  passed(point: 'PreFilter' | 'Filter' | 'Score', rejection: Rejection | undefined, ms: number): void;
}

/** The scheduler always looks for at least this number of feasible nodes (upstream's minFeasibleNodesToFind). */
const minNodesToFind = 100;
const minPercentageToFind = 5;

/** How many feasible nodes are enough. Source: upstream's numFeasibleNodesToFind. */
export function nodesToFind(percentageOfNodesToScore: number, nodeCount: number): number {
  if (nodeCount < minNodesToFind) return nodeCount;
  const adaptive = Math.max(minPercentageToFind, 50 - Math.trunc(nodeCount / 125));
  const percentage = percentageOfNodesToScore === 0 ? adaptive : percentageOfNodesToScore;
  return Math.max(minNodesToFind, Math.trunc((nodeCount * percentage) / 100));
}

/** Chooses a node. `random` returns a number in [0, 1). @param search default: looks at all nodes */
export function chooseNode(
  pod: Pod,
  snapshot: Snapshot,
  nominations: Nominations,
  plugins: Plugins,
  random: () => number,
  search: NodeSearch = { percentageOfNodesToScore: 100, start: 0 },
): Choice {
  const memo = search.memos?.of(plugins, pod);
  const found = findNodes(pod, snapshot, nominations, plugins, search, memo);
  const { feasible } = found;
  const startMs = search.phases?.nowMs() ?? 0;
  const scores = feasible.length > 1 ? scoreNodes(pod, feasible, snapshot, plugins.scores, memo, found.positions) : [];
  if (feasible.length > 1) search.phases?.passed('Score', undefined, search.phases.nowMs() - startMs);
  return choiceOf(snapshot, found, scores, feasible[best(totals(feasible.length, scores), random)]?.name);
}

/** What the filters found. */
export interface Found {
  readonly feasible: readonly NodeInfo[];
  readonly rejections: Map<string, Rejection>;
  readonly refusal?: Rejection | undefined;
  /** Rejects all nodes that are neither feasible nor in {@link rejections}. Absent: these were not looked at. */
  readonly others?: Rejection | undefined;
  /** Where the feasible nodes stand among the snapshot's, if their answers were remembered. */
  readonly positions?: readonly number[];
}

/** Runs the filters until enough nodes are found. */
export function findNodes(
  pod: Pod,
  snapshot: Snapshot,
  nominations: Nominations,
  { filters, scores, findOne = scores.length === 0 }: Plugins,
  search: NodeSearch,
  memo?: TemplateMemo,
): Found {
  const { phases } = search;
  const startMs = phases?.nowMs() ?? 0;
  const prepared = prepareFilters(pod, snapshot, filters);
  const rejections = new Map<string, Rejection>();
  const { refusal, onlyNodes } = prepared;
  const preparedMs = phases?.nowMs() ?? 0;
  phases?.passed('PreFilter', refusal, preparedMs - startMs);
  if (refusal !== undefined) return { feasible: [], rejections, refusal, others: refusal };
  const check = (info: NodeInfo, known?: TemplateMemo, position?: number): boolean => {
    const rejection = filterWithNominations(pod, info, nominations, prepared, known, position);
    if (rejection !== undefined) rejections.set(info.name, rejection);
    return rejection === undefined;
  };
  // The pod has a nominated node. Like upstream, no other node is checked while that one fits.
  const nominated = snapshot.node(pod.status?.nominatedNodeName ?? '');
  if (nominated !== undefined && check(nominated)) {
    phases?.passed('Filter', undefined, phases.nowMs() - preparedMs);
    return { feasible: [nominated], rejections };
  }
  const nodes = onlyNodes === undefined ? snapshot.nodes : [...onlyNodes.names].flatMap((name) => snapshot.node(name) ?? []);
  // Without scores, the first node that fits is as good as any.
  const wanted = findOne ? 1 : nodesToFind(search.percentageOfNodesToScore, nodes.length);
  // Positions are those of the snapshot's nodes, so a choice among other nodes has none.
  const known = onlyNodes === undefined ? memo : undefined;
  const positions: number[] = [];
  const feasible = walk(nodes, search.start, wanted, (info, position) => {
    if (info === nominated || !check(info, known, position)) return false;
    positions.push(position);
    return true;
  });
  phases?.passed('Filter', undefined, phases.nowMs() - preparedMs);
  const { length } = snapshot.nodes;
  if (length > 0) search.start = (search.start + feasible.length + rejections.size) % length;
  return { feasible, rejections, others: onlyNodes?.rejection, ...(known === undefined ? {} : { positions }) };
}

/** The first `wanted` nodes from position `start` on, in a circle, that pass the check. */
function walk(
  nodes: readonly NodeInfo[],
  start: number,
  wanted: number,
  check: (info: NodeInfo, position: number) => boolean,
): NodeInfo[] {
  const found: NodeInfo[] = [];
  const { length } = nodes;
  let position = length === 0 ? 0 : start % length;
  for (let looked = 0; looked < length && found.length < wanted; looked++) {
    const info = nodes[position];
    if (info !== undefined && check(info, position)) found.push(info);
    position = position + 1 === length ? 0 : position + 1;
  }
  return found;
}

/** Runs the score plugins that apply to the pod. */
export function scoreNodes(
  pod: Pod,
  feasible: readonly NodeInfo[],
  snapshot: Snapshot,
  plugins: readonly ScorePlugin[],
  memo?: TemplateMemo,
  positions?: readonly number[],
): PluginScores[] {
  const all: PluginScores[] = [];
  for (const [place, plugin] of plugins.entries()) {
    const { name, weight, normalise } = plugin;
    const raw =
      memo !== undefined && positions !== undefined && plugin.seesNodeOnly === true
        ? memo.scores(plugin, place, pod, feasible, positions, snapshot)
        : plugin.score(pod, feasible, snapshot);
    if (raw !== undefined) all.push({ plugin: name, weight, raw, scores: normalise === undefined ? raw : normalise(raw) });
  }
  return all;
}

/** The weighted sums for all feasible nodes. */
export function totals(count: number, scores: readonly PluginScores[]): Float64Array {
  const sums = new Float64Array(count);
  for (const { weight, scores: ofPlugin } of scores)
    for (let index = 0; index < count; index++) sums[index] = (sums[index] ?? 0) + (ofPlugin[index] ?? 0) * weight;
  return sums;
}

/** The position of the highest sum. Chance decides among several. */
export function best(sums: Float64Array, random: () => number): number {
  let highest = Number.NEGATIVE_INFINITY;
  let tied = 0;
  for (const sum of sums) {
    if (sum > highest) [highest, tied] = [sum, 1];
    else if (sum === highest) tied++;
  }
  let nth = Math.floor(random() * tied);
  return sums.findIndex((sum) => sum === highest && nth-- === 0);
}

/** Puts a decision together. */
export function choiceOf(
  snapshot: Snapshot,
  { feasible, rejections, refusal, others }: Found,
  scores: readonly PluginScores[],
  node: string | undefined,
): Choice {
  // Before the cache changes: later nobody could tell what the other nodes were.
  if (others !== undefined && node === undefined)
    for (const { name } of snapshot.nodes) if (!rejections.has(name)) rejections.set(name, others);
  const rejectedBy = new Set<string>();
  for (const { plugin } of rejections.values()) rejectedBy.add(plugin);
  if (refusal !== undefined) rejectedBy.add(refusal.plugin);
  return {
    node,
    feasible,
    scores,
    rejections,
    ...(refusal === undefined ? {} : { refusal }),
    rejectedBy,
    get verdicts() {
      return verdictsOf(
        feasible.map(({ name }) => name),
        scores,
        rejections,
      );
    },
  };
}

/** A decision by node, sorted by name. */
export function verdictsOf(
  feasible: readonly string[],
  scores: readonly PluginScores[],
  rejections: ReadonlyMap<string, Rejection>,
): NodeVerdict[] {
  const sums = totals(feasible.length, scores);
  const fit = feasible.map((name, index): NodeVerdict => {
    if (feasible.length === 1) return { node: name };
    const ofNode = scores.map(({ plugin, weight, raw, scores: all }) => ({
      plugin,
      weight,
      raw: raw[index] ?? 0,
      score: all[index] ?? 0,
    }));
    return { node: name, scores: ofNode, total: sums[index] ?? 0 };
  });
  const unfit = Array.from(rejections, ([node, rejection]): NodeVerdict => ({ node, rejection }));
  return [...fit, ...unfit].sort((a, b) => (a.node < b.node ? -1 : 1));
}
