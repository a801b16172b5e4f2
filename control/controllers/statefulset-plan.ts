/**
 * Decides what a StatefulSet does next. With OrderedReady it does one thing at a time: it creates pods in the order of their
 * ordinals, each when the one before is available, and deletes them in the reverse order. With Parallel it does not wait. An update
 * deletes old pods one by one from the highest ordinal down to the partition. Pure.
 *
 * Source: kubernetes `pkg/controller/statefulset/stateful_set_control.go`. The gate MaxUnavailableStatefulSet is off in 1.36.
 */
import type { New } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import type { Pod, PodTemplateSpec, StatefulSet, StatefulSetStatus } from '#api/types.generated.ts';
import { type ClaimLookup, hasRightOwners, waitsForClaims } from './statefulset-claims.ts';
import {
  hasIdentity,
  hasStorage,
  isRunningAndReady,
  isUnavailable,
  isWanted,
  ordinalOf,
  revisionOfPod,
  startOrdinal,
  statefulPod,
  wantedPods,
} from './statefulset-pods.ts';

/** A revision with the template that it holds. */
export interface Revision {
  name: string;
  template: PodTemplateSpec;
}

/** The inputs of a plan. */
export interface StatefulState {
  set: StatefulSet;
  pods: readonly Pod[];
  /** The revision from before the update; the same as `update` when none is under way. */
  current: Revision;
  update: Revision;
  claims: ClaimLookup;
  nowMs: number;
}

/** One thing to do for a pod. */
export type StatefulStep =
  | { do: 'create'; pod: New<Pod> }
  | { do: 'delete'; pod: Pod }
  /** Create the claims that the pod waits for. */
  | { do: 'createClaims'; pod: Pod }
  /** Give the claims the owners of the retention policy. */
  | { do: 'fixClaims'; pod: Pod }
  /** Give the pod its identity, its volumes and its claims. */
  | { do: 'fixPod'; pod: Pod };

/** The steps of one reconciliation. A phase begins when all of the one before has succeeded. */
export interface StatefulPlan {
  /** For each wanted pod, and then for each other one, the steps in order. */
  phases: StatefulStep[][][];
  /** The pod to delete for the update, as the last step. */
  outdated: Pod | undefined;
  /** What to report, before `outdated` is deleted. */
  status: StatefulSetStatus;
}

/** A wanted pod, which exists or must be created. */
type Replica = { pod: Pod } | { missing: New<Pod> };

const isTerminating = ({ metadata }: Pod): boolean => metadata.deletionTimestamp !== undefined;

/** Decides the next steps and the status. */
export function planStatefulSet(state: StatefulState): StatefulPlan {
  const { set } = state;
  const plan: StatefulPlan = { phases: [], outdated: undefined, status: statusOf(state) };
  if (set.metadata.deletionTimestamp !== undefined) return plan;
  const replicas = wantedReplicas(state);
  const condemned = state.pods
    .filter((pod) => ordinalOf(pod) >= 0 && !isWanted(set, ordinalOf(pod)))
    .sort((a, b) => ordinalOf(b) - ordinalOf(a));
  const unhealthy = firstUnhealthy(state, replicas, condemned);
  const add = (phase: Phase): boolean => {
    plan.phases.push(phase.steps);
    return !phase.blocks;
  };
  const goesOn =
    add(inOrder(set, replicas, (replica) => replicaSteps(state, replica))) &&
    add(inOrder(set, condemned, (pod) => ({ steps: claimSteps(state, pod), blocks: false }))) &&
    add(inOrder(set, condemned, (pod) => condemnedSteps(state, pod, unhealthy)));
  if (goesOn && set.spec.updateStrategy?.type !== 'OnDelete') plan.outdated = nextOutdated(state, replicas);
  return plan;
}

interface Phase {
  steps: StatefulStep[][];
  blocks: boolean;
}

/** Plans pod after pod. With OrderedReady, planning stops at a pod that blocks. */
function inOrder<T>(
  { spec }: StatefulSet,
  items: readonly T[],
  plan: (item: T) => { steps: StatefulStep[]; blocks: boolean },
): Phase {
  const steps: StatefulStep[][] = [];
  for (const item of items) {
    const next = plan(item);
    steps.push(next.steps);
    if (next.blocks && spec.podManagementPolicy !== 'Parallel') return { steps, blocks: true };
  }
  return { steps, blocks: false };
}

/**
 * Limit of missing pods in one plan. `spec.replicas` may be two billion, and listing all would block every controller. Each created pod
 * triggers the next plan.
 */
const maxMissing = 500;

/** The wanted pods from the first ordinal on. The list ends after {@link maxMissing} missing pods. */
function wantedReplicas(state: StatefulState): Replica[] {
  const { set, pods } = state;
  const present = new Map(pods.map((pod) => [ordinalOf(pod), pod]));
  const replicas: Replica[] = [];
  for (let index = 0, missing = 0; index < wantedPods(set) && missing < maxMissing; index++) {
    const ordinal = startOrdinal(set) + index;
    const pod = present.get(ordinal);
    if (pod !== undefined) replicas.push({ pod });
    else {
      const revision = isOfCurrentRevision(set, index) ? state.current : state.update;
      replicas.push({ missing: statefulPod(set, revision.template, revision.name, ordinal) });
      missing++;
    }
  }
  return replicas;
}

/** Whether a new pod is made from the revision before the update, which is so below the partition. */
function isOfCurrentRevision({ spec, status }: StatefulSet, index: number): boolean {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  if (rollingUpdate !== undefined) return index < (rollingUpdate.partition ?? 0);
  return type === 'RollingUpdate' && index < (status?.currentReplicas ?? 0);
}

function replicaSteps(state: StatefulState, replica: Replica): { steps: StatefulStep[]; blocks: boolean } {
  const { set, claims, nowMs } = state;
  if ('missing' in replica) {
    const pod = replica.missing;
    return { steps: waitsForClaims(set, pod, claims) ? [] : [{ do: 'create', pod }], blocks: true };
  }
  const { pod } = replica;
  // A pod that has succeeded is replaced too, because the exit code of a killed pod does not tell why it ended.
  if (isPodTerminal(pod)) return { steps: isTerminating(pod) ? [] : [{ do: 'delete', pod }], blocks: true };
  const steps: StatefulStep[] = pod.status?.phase === 'Pending' ? [{ do: 'createClaims', pod }] : [];
  const blocks = isTerminating(pod) || !isRunningAndReady(pod) || isUnavailable(pod, set, nowMs);
  // With OrderedReady, wait for a pod that is not completely started or deleted.
  if (blocks && set.spec.podManagementPolicy !== 'Parallel') return { steps, blocks };
  const isRight = hasIdentity(pod) && hasStorage(set, pod) && hasRightOwners(set, pod, claims);
  return { steps: isRight ? steps : [...steps, { do: 'fixPod', pod }], blocks };
}

const claimSteps = ({ set, claims }: StatefulState, pod: Pod): StatefulStep[] =>
  hasRightOwners(set, pod, claims) ? [] : [{ do: 'fixClaims', pod }];

/** In order, one pod at a time is deleted, and only while all others are available. */
function condemnedSteps(
  { set, nowMs }: StatefulState,
  pod: Pod,
  unhealthy: Pod | undefined,
): { steps: StatefulStep[]; blocks: boolean } {
  if (isTerminating(pod)) return { steps: [], blocks: true };
  const isHealthy = isRunningAndReady(pod) && !isUnavailable(pod, set, nowMs);
  const waits = !isHealthy && pod !== unhealthy && set.spec.podManagementPolicy !== 'Parallel';
  return { steps: waits ? [] : [{ do: 'delete', pod }], blocks: true };
}

/** The unavailable pod with the lowest ordinal: of the wanted ones, else of the others. */
function firstUnhealthy({ set, nowMs }: StatefulState, replicas: readonly Replica[], condemned: readonly Pod[]): Pod | undefined {
  const pods = replicas.map((replica) => ('pod' in replica ? replica.pod : undefined));
  // One that is missing is unavailable, too, and then no other is.
  const index = pods.findIndex((pod) => pod === undefined || isUnavailable(pod, set, nowMs));
  if (index >= 0) return pods[index];
  return condemned.findLast((pod) => isUnavailable(pod, set, nowMs));
}

/**
 * The pod to delete for the update: the one with the highest ordinal of another revision, if all above it are available. If the list has
 * ended early, it has a missing pod at its end, so the result is undefined.
 */
function nextOutdated({ set, update, nowMs }: StatefulState, replicas: readonly Replica[]): Pod | undefined {
  const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
  for (const replica of replicas.slice(partition).reverse()) {
    if ('missing' in replica) return undefined;
    const { pod } = replica;
    if (revisionOfPod(pod) !== update.name && !isTerminating(pod)) return pod;
    if (isUnavailable(pod, set, nowMs)) return undefined;
  }
  return undefined;
}

function statusOf({ set, pods, current, update, nowMs }: StatefulState): StatefulSetStatus {
  const created = pods.filter(({ status }) => (status?.phase ?? '') !== '');
  const ready = created.filter(isRunningAndReady);
  const staying = created.filter((pod) => !isTerminating(pod));
  // A pod that is being deleted counts as available as long as it is ready.
  const alive = ready.map((pod) => ({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: undefined } }));
  return {
    ...(set.status?.conditions === undefined ? {} : { conditions: set.status.conditions }),
    observedGeneration: set.metadata.generation,
    collisionCount: set.status?.collisionCount ?? 0,
    currentRevision: current.name,
    updateRevision: update.name,
    replicas: created.length,
    readyReplicas: ready.length,
    availableReplicas: alive.filter((pod) => !isUnavailable(pod, set, nowMs)).length,
    currentReplicas: staying.filter((pod) => revisionOfPod(pod) === current.name).length,
    updatedReplicas: staying.filter((pod) => revisionOfPod(pod) === update.name).length,
  };
}

/** The status when the update is complete: its revision is the current one from then on. */
export function completed({ spec }: StatefulSet, status: StatefulSetStatus): StatefulSetStatus {
  const wanted = spec.replicas ?? 1;
  const { updatedReplicas, readyReplicas, replicas } = status;
  const isComplete =
    spec.updateStrategy?.type === 'RollingUpdate' &&
    [updatedReplicas, readyReplicas, replicas].every((count) => count === wanted);
  return isComplete ? { ...status, currentReplicas: updatedReplicas, currentRevision: status.updateRevision } : status;
}
