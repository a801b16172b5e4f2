/** Finds nodes that can run a pod: prepares the filters once for a pod, and runs them for nodes. */
import type { Pod } from '#api/types.generated.ts';
import { type FilterPlugin, type NodeCheck, type PodChanges, type Rejection, rejectionOf } from './framework.ts';
import { hasPodAffinity, type NodeInfo, podPriority, withPods } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';
import type { NodeMemo, TemplateMemo } from './template-memo.ts';

/** The nominated pods of each node: preemption is freeing resources for them there. */
export type Nominations = ReadonlyMap<string, readonly Pod[]>;

/** The filters, prepared for one pod. */
export interface PreparedFilters {
  readonly checks: readonly NodeCheck[];
  /** Number of leading checks that read only the pod and the node, so their results can be remembered. */
  readonly ofNodeAlone: number;
  /** All do, or are idle: they reject no node where no pods with affinity are tried. */
  readonly seesNodeOnly: boolean;
  /** The refusal of a filter that refuses all nodes. */
  readonly refusal?: Rejection;
  /** Nodes outside of this set are rejected without a check. */
  readonly onlyNodes?: { readonly names: ReadonlySet<string>; readonly rejection: Rejection };
}

/** The filters that were prepared for a snapshot. It is of one moment and one decision, so it has one pod. */
const preparedFor = new WeakMap<Snapshot, { pod: Pod; filters: readonly FilterPlugin[]; prepared: PreparedFilters }>();

/** Prepares the filters for a pod. Asked again for the same decision, it gives the same answer. */
export function prepareFilters(pod: Pod, snapshot: Snapshot, filters: readonly FilterPlugin[]): PreparedFilters {
  const known = preparedFor.get(snapshot);
  if (known?.pod === pod && known.filters === filters) return known.prepared;
  const prepared = prepare(pod, snapshot, filters);
  preparedFor.set(snapshot, { pod, filters, prepared });
  return prepared;
}

function prepare(pod: Pod, snapshot: Snapshot, filters: readonly FilterPlugin[]): PreparedFilters {
  const checks: NodeCheck[] = [];
  let ofNodeAlone = 0;
  let others = 0;
  let names: ReadonlySet<string> | undefined;
  const limiting: string[] = [];
  for (const { name, seesNodeOnly = false, prepare: prepareOne } of filters) {
    const filtering = prepareOne(pod, snapshot);
    if (filtering.kind === 'refuse') return { checks, ofNodeAlone: 0, seesNodeOnly: false, refusal: filtering.rejection };
    if (filtering.kind === 'skip') continue;
    if (seesNodeOnly && ofNodeAlone === checks.length) ofNodeAlone++;
    else if (filtering.isIdle !== true) others++;
    checks.push(filtering.check);
    if (filtering.onlyNodes === undefined) continue;
    names = names === undefined ? filtering.onlyNodes : names.intersection(filtering.onlyNodes);
    limiting.push(name);
  }
  const sees = { checks, ofNodeAlone, seesNodeOnly: others === 0 };
  if (names === undefined) return sees;
  const plugins = limiting.sort();
  const [first = ''] = plugins;
  if (names.size === 0) {
    const reason = `node(s) didn't satisfy plugin(s) [${plugins.join(' ')}] simultaneously`;
    const single = `node(s) didn't satisfy plugin ${first}`;
    return { ...sees, refusal: rejectionOf(first, false, plugins.length === 1 ? single : reason) };
  }
  return {
    ...sees,
    onlyNodes: { names, rejection: rejectionOf(first, false, `node(s) didn't satisfy plugin(s) [${plugins.join(' ')}]`) },
  };
}

/** Runs the checks for a node. @param changes how its pods differ from the snapshot's @param memo only where there are no changes */
export function runFilters(
  { checks, ofNodeAlone, onlyNodes }: PreparedFilters,
  info: NodeInfo,
  changes?: PodChanges,
  memo?: TemplateMemo,
  position = 0,
): Rejection | undefined {
  if (onlyNodes !== undefined && !onlyNodes.names.has(info.name)) return onlyNodes.rejection;
  if (memo === undefined) return firstRejection(checks, 0, checks.length, info, changes);
  if (!memo.knows(position, info)) memo.note(position, info, firstRejection(checks, 0, ofNodeAlone, info, undefined));
  return memo.rejection(position) ?? firstRejection(checks, ofNodeAlone, checks.length, info, undefined);
}

function firstRejection(
  checks: readonly NodeCheck[],
  from: number,
  to: number,
  info: NodeInfo,
  changes: PodChanges | undefined,
): Rejection | undefined {
  for (let index = from; index < to; index++) {
    const rejection = checks[index]?.(info, changes);
    if (rejection !== undefined) return rejection;
  }
  return undefined;
}

/**
 * Checks a node twice: with and without the pods that are nominated to it and have at least this pod's priority. Both must fit,
 * because nominated pods may never come, and if they come the pod must not have taken their resources.
 */
export function filterWithNominations(
  pod: Pod,
  info: NodeInfo,
  nominations: Nominations,
  prepared: PreparedFilters,
  memo?: TemplateMemo,
  position?: number,
): Rejection | undefined {
  const nominated = nominations.size === 0 ? undefined : nominations.get(info.name);
  const rejection = nominated === undefined ? undefined : rejectionWith(nominated, pod, info, prepared, memo?.of(info));
  return rejection ?? runFilters(prepared, info, undefined, memo, position);
}

/** The rejection of the node with the pods that are nominated to it. */
function rejectionWith(
  nominated: readonly Pod[],
  pod: Pod,
  info: NodeInfo,
  prepared: PreparedFilters,
  memo: NodeMemo | undefined,
): Rejection | undefined {
  const expected = expectedOf(nominated, pod);
  if (expected.length === 0) return undefined;
  const memorable = prepared.seesNodeOnly && expected.length === nominated.length && !expected.some(hasPodAffinity);
  if (memorable && memo?.nominated?.pods === nominated) return memo.nominated.rejection;
  const rejection = runFilters(prepared, withPods(info, expected), { added: expected, removed: [] });
  if (memorable && memo !== undefined) memo.nominated = { pods: nominated, rejection };
  return rejection;
}

/** Those of the nominated pods that come before the pod. */
export const expectedOf = (nominated: readonly Pod[], pod: Pod): readonly Pod[] =>
  nominated.filter((other) => other.metadata.uid !== pod.metadata.uid && podPriority(other) >= podPriority(pod));

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
  const prepared = prepareFilters(pod, snapshot, filters);
  return prepared.refusal ?? runFilters(prepared, info, podChanges(snapshot.node(info.name)?.pods ?? [], info.pods));
}

function podChanges(before: readonly Pod[], after: readonly Pod[]): PodChanges | undefined {
  if (before === after) return undefined;
  return { added: without(after, before), removed: without(before, after) };
}

/** Sets cost more than they save for so few. */
const few = 8;

function without(pods: readonly Pod[], others: readonly Pod[]): readonly Pod[] {
  if (others.length <= few) return pods.filter((pod) => !others.includes(pod));
  const known = new Set(others);
  return pods.filter((pod) => !known.has(pod));
}
