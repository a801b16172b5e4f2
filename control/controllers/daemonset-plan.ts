/**
 * Decides which pods of a DaemonSet to create and delete: one pod on each node that should have one, and during a rolling update
 * new pods for old ones, within maxUnavailable or maxSurge. Pure.
 *
 * Source: kubernetes `pkg/controller/daemon/{daemon_controller,update}.go`.
 */
import { isPodAvailable, isPodReady, isPodTerminal } from '#api/pod/conditions.ts';
import type { DaemonSet, DaemonSetStatus, Node, Pod } from '#api/types.generated.ts';
import { revisionLabel } from './controller-revisions.ts';
import { creationMs } from './creation-order.ts';
import { type Eligibility, eligibilityOf, isPodUpdated, targetNode } from './daemonset-nodes.ts';
import { scaled } from './deployment-scale.ts';

/** What a plan looks at. */
export interface DaemonState {
  set: DaemonSet;
  nodes: readonly Node[];
  /** All pods of the set, those that are being deleted included. */
  pods: readonly Pod[];
  /** The hash of the current template's revision. */
  hash: string;
  nowMs: number;
}

/** The changes of one reconciliation. */
export interface DaemonPlan {
  /** The nodes that get a pod. */
  createOn: string[];
  remove: Pod[];
  /** Pods that have ended, and are in `remove`, or stay until the back-off of their node is over. */
  ended: { pod: Pod; node: string }[];
}

/** Groups the pods by the node they are on or wait for, oldest first. Pods that have ended and are being deleted do not count. */
export function podsByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const byNode = new Map<string, Pod[]>();
  for (const pod of [...pods].sort(olderFirst)) {
    if (isPodTerminal(pod) && pod.metadata.deletionTimestamp !== undefined) continue;
    const node = targetNode(pod);
    if (node === undefined) continue;
    const present = byNode.get(node);
    if (present === undefined) byNode.set(node, [pod]);
    else present.push(pod);
  }
  return byNode;
}

/** Pods that are on a node come before those that wait for it. */
function olderFirst(a: Pod, b: Pod): number {
  const waits = ({ spec }: Pod): number => Number((spec.nodeName ?? '') === '');
  return waits(a) - waits(b) || creationMs(a) - creationMs(b) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

/**
 * Decides the next step. A rolling update waits until every node has what it should have.
 * @param inBackOff whether a pod that failed on this node must not be replaced yet
 */
export function planDaemonSet(state: DaemonState, inBackOff: (node: string) => boolean): DaemonPlan {
  const eligible = eligibilityOf(state.set);
  const byNode = podsByNode(state.pods);
  const plan: DaemonPlan = { createOn: [], remove: [], ended: [] };
  for (const node of state.nodes) manageNode(state, node.metadata.name, eligible(node), byNode, inBackOff, plan);
  const present = new Set(state.nodes.map(({ metadata }) => metadata.name));
  for (const [node, pods] of byNode) {
    if (present.has(node)) continue;
    // A pod that waits for a node that is gone can never be scheduled. The garbage collector of pods deletes the others.
    plan.remove.push(...pods.filter(({ spec }) => (spec.nodeName ?? '') === ''));
  }
  if (plan.createOn.length > 0 || plan.remove.length > 0 || state.set.spec.updateStrategy?.type !== 'RollingUpdate') return plan;
  return { ...plan, ...rollingUpdate(state, byNode, eligible) };
}

function manageNode(
  { set, hash, nowMs }: DaemonState,
  node: string,
  { shouldRun, mayStay }: Eligibility,
  byNode: ReadonlyMap<string, Pod[]>,
  inBackOff: (node: string) => boolean,
  plan: DaemonPlan,
): void {
  const pods = byNode.get(node);
  if (pods === undefined) {
    if (shouldRun) plan.createOn.push(node);
    return;
  }
  const alive = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  if (!mayStay) {
    plan.remove.push(...alive);
    return;
  }
  const running = alive.filter((pod) => !isPodTerminal(pod));
  for (const pod of alive.filter(isPodTerminal)) {
    plan.ended.push({ pod, node });
    if (pod.status?.phase !== 'Failed' || !inBackOff(node)) plan.remove.push(pod);
  }
  if (!allowsSurge(set)) plan.remove.push(...running.slice(1));
  else if (running.length === 0) {
    if (shouldRun) plan.createOn.push(node);
  } else if (running.length > 1) plan.remove.push(...surplusOfSurge(running, set, hash, nowMs));
}

/** With surge, an old and a new pod may run side by side, while the old one is ready and the new one is not available yet. */
function surplusOfSurge(running: readonly Pod[], set: DaemonSet, hash: string, nowMs: number): Pod[] {
  const isNew = ({ metadata }: Pod): boolean => metadata.labels?.[revisionLabel] === hash;
  const [newest, oldest] = [running.find(isNew), running.find((pod) => !isNew(pod))];
  const surplus = running.filter((pod) => pod !== newest && pod !== oldest);
  if (newest === undefined || oldest === undefined) return surplus;
  const replaced = !isPodReady(oldest) || isPodAvailable(newest, set.spec.minReadySeconds ?? 0, nowMs);
  return replaced ? [...surplus, oldest] : surplus;
}

const rollingNumbers = ({ spec }: DaemonSet): { maxSurge?: number | string; maxUnavailable?: number | string } =>
  spec.updateStrategy?.type === 'RollingUpdate' ? { ...dropUndefined(spec.updateStrategy.rollingUpdate ?? {}) } : {};

const dropUndefined = (numbers: object): object =>
  Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined));

const allowsSurge = (set: DaemonSet): boolean => scaled(rollingNumbers(set).maxSurge, 1, Math.ceil) > 0;

/** The one old and the one new pod of a node. Undefined when there are several of a kind: the node is cleaned up first. */
function pair(pods: readonly Pod[], set: DaemonSet, hash: string): { newPod?: Pod; oldPod?: Pod } | undefined {
  const alive = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const [newPod, ...moreNew] = alive.filter((pod) => isPodUpdated(pod, set, hash));
  const [oldPod, ...moreOld] = alive.filter((pod) => !isPodUpdated(pod, set, hash));
  if (moreNew.length > 0 || moreOld.length > 0) return undefined;
  return { ...(newPod === undefined ? {} : { newPod }), ...(oldPod === undefined ? {} : { oldPod }) };
}

type Step = Pick<DaemonPlan, 'createOn' | 'remove'>;

function rollingUpdate(state: DaemonState, byNode: Map<string, Pod[]>, eligible: (node: Node) => Eligibility): Step {
  const wanted = state.nodes.filter((node) => eligible(node).shouldRun).map(({ metadata }) => metadata.name);
  const all = new Map(byNode);
  for (const name of wanted) if (!all.has(name)) all.set(name, []);
  const numbers = rollingNumbers(state.set);
  const maxSurge = scaled(numbers.maxSurge, wanted.length, Math.ceil);
  const maxUnavailable = scaled(numbers.maxUnavailable, wanted.length, Math.ceil);
  if (maxSurge === 0) return replace(state, all, Math.max(maxUnavailable, wanted.length > 0 ? 1 : 0));
  return surge(state, all, maxSurge, new Set(wanted));
}

/** Deletes old pods within maxUnavailable; the next reconciliation creates new ones on their nodes. */
function replace({ set, hash, nowMs }: DaemonState, byNode: ReadonlyMap<string, Pod[]>, maxUnavailable: number): Step {
  const isAvailable = (pod: Pod): boolean => isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
  let unavailable = 0;
  const allowed: Pod[] = [];
  const candidates: Pod[] = [];
  for (const pods of byNode.values()) {
    const { newPod, oldPod } = pair(pods, set, hash) ?? {};
    if (newPod === undefined && oldPod !== undefined) {
      if (isAvailable(oldPod)) candidates.push(oldPod);
      else {
        allowed.push(oldPod); // It is not available, so replacing it costs no availability.
        unavailable += 1;
      }
    } else if (newPod === undefined || oldPod !== undefined || !isAvailable(newPod)) unavailable += 1;
  }
  return { createOn: [], remove: [...allowed, ...candidates.slice(0, Math.max(0, maxUnavailable - unavailable))] };
}

/** Creates new pods beside old ones, at most maxSurge at a time, and deletes an old one when the new one is available. */
function surge(
  { set, hash, nowMs }: DaemonState,
  byNode: ReadonlyMap<string, Pod[]>,
  maxSurge: number,
  wanted: ReadonlySet<string>,
): Step {
  const isAvailable = (pod: Pod | undefined): boolean =>
    pod !== undefined && isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
  const step: Step = { createOn: [], remove: [] };
  const leaving: Pod[] = [];
  const candidates: string[] = [];
  let surging = 0;
  let available = 0;
  for (const [node, pods] of byNode) {
    const both = pair(pods, set, hash);
    if (both === undefined) {
      surging += 1;
      continue;
    }
    const { newPod, oldPod } = both;
    if (isAvailable(oldPod ?? newPod)) available += 1;
    if (oldPod === undefined) continue;
    if (newPod !== undefined) {
      if (isAvailable(newPod)) step.remove.push(oldPod);
      else surging += 1;
    } else if (!wanted.has(node)) (isAvailable(oldPod) ? leaving : step.remove).push(oldPod);
    else (isAvailable(oldPod) ? candidates : step.createOn).push(node);
  }
  // A pod whose node no longer fits is deleted only when another pod is available in its place.
  step.remove.push(...leaving.slice(0, Math.max(0, available - wanted.size)));
  step.createOn.push(...candidates.slice(0, Math.max(0, maxSurge - surging)));
  return step;
}

/** The counts to report. Conditions and the collision count are kept. Pure. */
export function daemonSetStatus(
  { set, nodes, pods, hash, nowMs }: DaemonState,
  observedGeneration: number | undefined,
): DaemonSetStatus {
  const eligible = eligibilityOf(set);
  const byNode = podsByNode(pods);
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, updated: 0, available: 0 };
  for (const node of nodes) {
    const [pod] = byNode.get(node.metadata.name) ?? [];
    if (!eligible(node).shouldRun) {
      if (pod !== undefined) counts.misscheduled += 1;
      continue;
    }
    counts.desired += 1;
    if (pod === undefined) continue;
    counts.current += 1;
    if (isPodReady(pod)) counts.ready += 1;
    if (isPodReady(pod) && isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs)) counts.available += 1;
    if (isPodUpdated(pod, set, hash)) counts.updated += 1;
  }
  return {
    ...set.status,
    observedGeneration,
    currentNumberScheduled: counts.current,
    desiredNumberScheduled: counts.desired,
    numberMisscheduled: counts.misscheduled,
    numberReady: counts.ready,
    updatedNumberScheduled: counts.updated,
    numberAvailable: counts.available,
    numberUnavailable: counts.desired - counts.available,
  };
}
