/**
 * Chooses the pods to evict, so that a pod of higher priority fits. Pure. Source: upstream `pkg/scheduler/framework/preemption`.
 */
import type { BudgetIndex } from '#api/policy/budget-index.ts';
import { budgetMatcher, disruptedAt } from '#api/policy/disruption-budget.ts';
import type { Pod, PodDisruptionBudget } from '#api/types.generated.ts';
import { type NodeVerdict, type Nominations, rejectNodeIn } from './decide.ts';
import { expectedOf, prepareFilters } from './feasible-nodes.ts';
import { type Candidate, type FilterPlugin, type Rejection, rejectionOf } from './framework.ts';

import { fitErrorMessage } from './messages.ts';
import { hasPodAffinity, type NodeInfo, podPriority, withoutPods, withPods } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';
import type { TemplateMemo } from './template-memo.ts';

export type { Candidate } from './framework.ts';

/** What the choice depends on. */
export interface PreemptionInput {
  pod: Pod;
  snapshot: Snapshot;
  /** The results for all nodes, from the attempt that failed. */
  verdicts: readonly NodeVerdict[];
  nominations: Nominations;
  filters: readonly FilterPlugin[];
  budgets: Pick<BudgetIndex, 'of' | 'changes'>;
  /** Counts as the start time of pods that have none yet. */
  nowMs: number;
  /** How many nodes on which evictions would help are enough. Absent: all are looked at. */
  search?: CandidateSearch | undefined;
  /** What was found out for earlier pods like this one. */
  memo?: TemplateMemo | undefined;
}

/** How the nodes of a large cluster are tried. Source: upstream's DefaultPreemptionArgs. */
export interface CandidateSearch {
  maxCandidates: number;
  /** In [0, 1): where among the nodes the search begins. */
  start: number;
}

/** The candidates that are enough in a cluster of this size. */
export function candidatesToFind(nodeCount: number, minPercentage = 10, minAbsolute = 100): number {
  return Math.min(nodeCount, Math.max(Math.trunc((nodeCount * minPercentage) / 100), minAbsolute));
}

/** The result: no eviction, or the victims on one node. */
export type PreemptionPlan =
  | { kind: 'evict'; node: string; victims: readonly Pod[] }
  /** `message` has no leading `preemption: `. `clearNomination`: the pod's former nomination is obsolete. */
  | { kind: 'none'; message: string; clearNomination: boolean };

const plugin = 'DefaultPreemption';
const notHelpful = rejectionOf(plugin, false, 'Preemption is not helpful for scheduling');
const noVictims = rejectionOf(plugin, false, 'No preemption victims found for incoming pod');

/** Chooses the node on which evictions do the least harm, and the fewest pods to evict there. */
export function planPreemption(input: PreemptionInput): PreemptionPlan {
  const found = findCandidates(input);
  return 'kind' in found ? found : chooseCandidate(found, input);
}

/** The nodes on which evictions help, and why others do not. */
export interface FoundCandidates {
  readonly candidates: readonly Candidate[];
  readonly rejections: readonly Rejection[];
}

/** Looks for nodes on which evictions help; or why the pod evicts nobody. */
export function findCandidates(input: PreemptionInput): FoundCandidates | PreemptionPlan {
  const ineligible = ineligibilityReason(input);
  if (ineligible !== undefined) return { kind: 'none', message: ineligible, clearNomination: false };
  const candidates: Candidate[] = [];
  const rejections: Rejection[] = [];
  const hopeful: NodeInfo[] = [];
  for (const { node, rejection } of input.verdicts) {
    const info = input.snapshot.node(node);
    if (info === undefined || rejection === undefined || !rejection.preemptible) rejections.push(notHelpful);
    else hopeful.push(info);
  }
  const { maxCandidates = hopeful.length, start = 0 } = input.search ?? {};
  const first = Math.floor(start * hopeful.length);
  for (const info of [...hopeful.slice(first), ...hopeful.slice(0, first)]) {
    const found = victimsOn(info, input);
    if ('victims' in found) candidates.push(found);
    else rejections.push(found);
    if (candidates.length >= maxCandidates) break;
  }
  return { candidates, rejections };
}

/** The candidate that does the least harm. */
export function chooseCandidate({ candidates, rejections }: FoundCandidates, input: PreemptionInput): PreemptionPlan {
  const chosen = leastHarmful(candidates, input.nowMs);
  if (chosen !== undefined) return { kind: 'evict', node: chosen.node, victims: chosen.victims };
  return {
    kind: 'none',
    message: fitErrorMessage({ nodeCount: input.snapshot.nodes.length, rejections }),
    clearNomination: true,
  };
}

function ineligibilityReason({ pod, snapshot, verdicts }: PreemptionInput): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const nominated = pod.status?.nominatedNodeName ?? '';
  const verdict = verdicts.find(({ node }) => node === nominated);
  if (nominated === '' || verdict?.rejection?.preemptible === false) return undefined;
  const leaving = (snapshot.node(nominated)?.pods ?? []).some(
    (other) => podPriority(other) < podPriority(pod) && isBeingPreempted(other),
  );
  return leaving ? 'not eligible due to a terminating pod on the nominated node.' : undefined;
}

function isBeingPreempted({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp === undefined) return false;
  const target = status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  return target?.status === 'True' && target.reason === 'PreemptionByScheduler';
}

/**
 * The victims on one node. First all pods of lower priority are removed; then as many as possible are added back, the most
 * important first, and pods with a disruption budget before all others.
 */
function victimsOn(info: NodeInfo, input: PreemptionInput): Candidate | Rejection {
  const memo = isMemorable(info, input) ? input.memo?.of(info) : undefined;
  const nominated = input.nominations.get(info.name);
  const priority = podPriority(input.pod);
  const { changes } = input.budgets;
  const known = memo?.victims;
  if (known?.priority === priority && known.nominated === nominated && known.budgets === changes) return known.result;
  const result = findVictims(info, input);
  if (memo !== undefined) memo.victims = { priority, nominated, budgets: changes, result };
  return result;
}

/** Whether another pod of the template would find the same victims: nothing but this node has a say. */
function isMemorable(info: NodeInfo, { pod, snapshot, filters, nominations, memo }: PreemptionInput): boolean {
  if (memo === undefined || info.podsWithAffinity.length > 0) return false;
  if (!prepareFilters(pod, snapshot, filters).seesNodeOnly) return false;
  const nominated = nominations.get(info.name) ?? [];
  return !nominated.some((other) => other.metadata.uid === pod.metadata.uid || hasPodAffinity(other));
}

function findVictims(info: NodeInfo, input: PreemptionInput): Candidate | Rejection {
  const { pod, nowMs } = input;
  const lower = info.pods.filter((other) => podPriority(other) < podPriority(pod));
  if (lower.length === 0) return noVictims;
  const emptied = withoutPods(info, lower);
  const rejection = rejects(emptied, input);
  if (rejection !== undefined) return rejection;
  const important = [...lower].sort((a, b) => byImportance(a, b, nowMs));
  const { violating, others } = splitByBudgets(important, input.budgets);
  const violators = new Set(violating);
  const victims: Pod[] = [];
  let violations = 0;
  let current = emptied;
  for (const other of [...violating, ...others]) {
    const reprieved = withPods(current, [other]);
    if (rejects(reprieved, input) === undefined) {
      current = reprieved;
      continue;
    }
    victims.push(other);
    if (violators.has(other)) violations++;
  }
  return { node: info.name, victims: victims.sort((a, b) => byImportance(a, b, nowMs)), violations };
}

function rejects(info: NodeInfo, { pod, snapshot, nominations, filters }: PreemptionInput): Rejection | undefined {
  const expected = expectedOf(nominations.get(info.name) ?? [], pod);
  return (
    (expected.length === 0 ? undefined : rejectNodeIn(pod, withPods(info, expected), snapshot, filters)) ??
    rejectNodeIn(pod, info, snapshot, filters)
  );
}

const startMs = ({ status }: Pod, nowMs: number): number =>
  status?.startTime === undefined ? nowMs : Date.parse(status.startTime);

/** Sorts by importance: higher priority first, then older first. */
const byImportance = (a: Pod, b: Pod, nowMs: number): number =>
  podPriority(b) - podPriority(a) || startMs(a, nowMs) - startMs(b, nowMs);

/**
 * The most budgets that are examined for one pod. Budgets are only a preference here, so a namespace with thousands of them must
 * not cost a search through all for each pod.
 */
const maxBudgetsOfPod = 16;
const maxBudgetsLookedAt = 128;

/**
 * Splits pods into those whose eviction would violate a disruption budget, if they were evicted in this order, and the others (upstream's
 * filterPodsWithPDBViolation).
 */
function splitByBudgets(pods: readonly Pod[], budgets: PreemptionInput['budgets']): { violating: Pod[]; others: Pod[] } {
  const left = new Map<PodDisruptionBudget, number>();
  const violates = (pod: Pod): boolean => {
    let broken = false;
    for (const budget of budgets.of(pod, maxBudgetsOfPod, maxBudgetsLookedAt)) {
      // Unlike elsewhere, an empty selector matches nothing. A pod that the API server has already counted as disrupted is not
      // counted again.
      if (budgetMatcher(budget).requirements.length === 0) continue;
      if (disruptedAt(budget.status, pod.metadata.name) !== undefined) continue;
      const rest = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1;
      left.set(budget, rest);
      if (rest < 0) broken = true;
    }
    return broken;
  };
  const violating: Pod[] = [];
  const others: Pod[] = [];
  for (const pod of pods) (Object.keys(pod.metadata.labels ?? {}).length > 0 && violates(pod) ? violating : others).push(pod);
  return { violating, others };
}

/** The criteria in order. The smallest value wins; the first of equal nodes wins. */
const harmCriteria: readonly ((candidate: Candidate, nowMs: number) => number)[] = [
  ({ violations }) => violations,
  ({ victims }) => Math.max(...victims.map(podPriority)),
  // The priorities are shifted to be positive. Otherwise many pods of negative priority would count less than few.
  ({ victims }) => victims.reduce((sum, victim) => sum + podPriority(victim) + 2 ** 31, 0),
  ({ victims }) => victims.length,
  ({ victims }, nowMs) => -earliestStartOfMostImportant(victims, nowMs),
];

function leastHarmful(candidates: readonly Candidate[], nowMs: number): Candidate | undefined {
  let left = candidates;
  for (const harm of harmCriteria) {
    const least = Math.min(...left.map((candidate) => harm(candidate, nowMs)));
    left = left.filter((candidate) => harm(candidate, nowMs) === least);
  }
  return left[0];
}

function earliestStartOfMostImportant(victims: readonly Pod[], nowMs: number): number {
  const highest = Math.max(...victims.map(podPriority));
  return Math.min(...victims.filter((victim) => podPriority(victim) === highest).map((victim) => startMs(victim, nowMs)));
}
