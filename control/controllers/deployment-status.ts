/**
 * The status of a Deployment: counts, and the conditions Available, Progressing and ReplicaFailure, which `kubectl rollout
 * status` reads. Pure.
 *
 * Source: kubernetes `pkg/controller/deployment/{sync,progress}.go`.
 */
import { rfc3339 } from '#api/meta.ts';
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '#api/types.generated.ts';
import { fenceposts, replicasOf, sum, wantedReplicas } from './deployment-scale.ts';

type Conditions = readonly DeploymentCondition[];

const noLimit = 0x7fffffff;

/** Whether the Deployment has a progress deadline. MaxInt32 seconds means that it has none. */
export const hasProgressDeadline = ({ spec }: Deployment): boolean =>
  spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== noLimit;

/** A condition that changes its status now. */
export function condition(
  type: string,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  nowMs: number,
): DeploymentCondition {
  return { type, status, lastUpdateTime: rfc3339(nowMs), lastTransitionTime: rfc3339(nowMs), reason, message };
}

/** The condition of a type; undefined when there is none. */
export const find = (conditions: Conditions | undefined, type: string): DeploymentCondition | undefined =>
  conditions?.find((one) => one.type === type);

/**
 * Replaces the condition of this type. With the same status and reason, nothing changes. With the same status, the transition
 * time is kept.
 */
export function withCondition(conditions: Conditions, next: DeploymentCondition): DeploymentCondition[] {
  const present = find(conditions, next.type);
  if (present !== undefined && present.status === next.status && present.reason === next.reason) return [...conditions];
  const lastTransitionTime = present?.status === next.status ? present.lastTransitionTime : next.lastTransitionTime;
  return [...without(conditions, next.type), { ...next, lastTransitionTime }];
}

const without = (conditions: Conditions, type: string): DeploymentCondition[] => conditions.filter((one) => one.type !== type);

/**
 * The conditions after the Deployment was paused or resumed. They are recorded so that the time of a pause does not count as a
 * lack of progress.
 */
export function pausedConditions(deployment: Deployment, nowMs: number): DeploymentCondition[] {
  const conditions = [...(deployment.status?.conditions ?? [])];
  if (!hasProgressDeadline(deployment)) return conditions;
  const progressing = find(conditions, 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded') return conditions;
  const noted = progressing?.reason === 'DeploymentPaused';
  const paused = deployment.spec.paused === true;
  if (paused === noted) return conditions;
  const [reason, message] = paused
    ? ['DeploymentPaused', 'Deployment is paused']
    : ['DeploymentResumed', 'Deployment is resumed'];
  return withCondition(conditions, condition('Progressing', 'Unknown', reason, message, nowMs));
}

/** The counts and the condition Available. `conditions` are kept. */
export function baseStatus(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  conditions: Conditions,
  nowMs: number,
): DeploymentStatus {
  const all = current === undefined ? old : [...old, current];
  const availableReplicas = sum(all, ({ status }) => status?.availableReplicas ?? 0);
  const terminating = all.filter(
    ({ status }) => (status?.observedGeneration ?? 0) !== 0 || status?.terminatingReplicas !== undefined,
  );
  const isAvailable = availableReplicas >= wantedReplicas(deployment) - fenceposts(deployment).maxUnavailable;
  return {
    observedGeneration: deployment.metadata.generation,
    replicas: sum(all, ({ status }) => status?.replicas ?? 0),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum(all, ({ status }) => status?.readyReplicas ?? 0),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum(all, replicasOf) - availableReplicas),
    // When a set does not report the count, the sum is unknown.
    ...(terminating.every(({ status }) => status?.terminatingReplicas !== undefined)
      ? { terminatingReplicas: sum(terminating, ({ status }) => status?.terminatingReplicas ?? 0) }
      : {}),
    collisionCount: deployment.status?.collisionCount,
    conditions: withCondition(
      conditions,
      isAvailable
        ? condition('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', nowMs)
        : condition('Available', 'False', 'MinimumReplicasUnavailable', 'Deployment does not have minimum availability.', nowMs),
    ),
  };
}

/** Whether all wanted replicas are updated and available, and no old one runs. */
export function isComplete(deployment: Deployment, status: DeploymentStatus | undefined): boolean {
  const wanted = wantedReplicas(deployment);
  return (
    (status?.updatedReplicas ?? 0) === wanted &&
    (status?.replicas ?? 0) === wanted &&
    (status?.availableReplicas ?? 0) === wanted &&
    (status?.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function hasProgressed(before: DeploymentStatus | undefined, after: DeploymentStatus): boolean {
  const oldReplicas = (status: DeploymentStatus | undefined): number => (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    oldReplicas(after) < oldReplicas(before) ||
    (after.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: Deployment, progressing: DeploymentCondition | undefined, nowMs: number): boolean {
  if (progressing === undefined || progressing.reason === 'NewReplicaSetAvailable') return false;
  if (progressing.reason === 'ProgressDeadlineExceeded') return true;
  return Date.parse(progressing.lastUpdateTime ?? '') + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000 < nowMs;
}

/** {@link baseStatus} and, during a rollout, the condition Progressing: complete, advancing, or deadline exceeded. */
export function rolloutStatus(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  conditions: Conditions,
  nowMs: number,
): DeploymentStatus {
  const base = baseStatus(deployment, current, old, conditions, nowMs);
  let next: Conditions = base.conditions ?? [];
  const present = find(conditions, 'Progressing');
  if (!hasProgressDeadline(deployment)) next = without(next, 'Progressing');
  else if (!(base.replicas === base.updatedReplicas && present?.reason === 'NewReplicaSetAvailable'))
    next = withProgress(deployment, current, base, next, nowMs);
  const failure = (current === undefined ? old : [current, ...old])
    .flatMap(({ status }) => status?.conditions ?? [])
    .find(({ type }) => type === 'ReplicaFailure');
  next =
    failure === undefined
      ? without(next, 'ReplicaFailure')
      : withCondition(next, { ...failure, lastUpdateTime: failure.lastTransitionTime });
  return { ...base, conditions: [...next] };
}

function withProgress(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  status: DeploymentStatus,
  conditions: Conditions,
  nowMs: number,
): Conditions {
  const who = current === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${current.metadata.name}"`;
  const present = find(conditions, 'Progressing');
  if (isComplete(deployment, status)) {
    return withCondition(
      conditions,
      condition('Progressing', 'True', 'NewReplicaSetAvailable', `${who} has successfully progressed.`, nowMs),
    );
  }
  if (hasProgressed(deployment.status, status)) {
    const next = condition('Progressing', 'True', 'ReplicaSetUpdated', `${who} is progressing.`, nowMs);
    // Each sign of progress restarts the deadline, which counts from the condition's update time. So the condition is replaced
    // even when status and reason stay the same.
    return [
      ...without(conditions, 'Progressing'),
      { ...next, lastTransitionTime: present?.status === 'True' ? present.lastTransitionTime : next.lastTransitionTime },
    ];
  }
  if (!isTimedOut(deployment, present, nowMs)) return conditions;
  return withCondition(
    conditions,
    condition('Progressing', 'False', 'ProgressDeadlineExceeded', `${who} has timed out progressing.`, nowMs),
  );
}

/** Milliseconds until the progress deadline must be checked again. Undefined when there is nothing to wait for. */
export function progressCheckDelayMs(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const progressing = find(status.conditions, 'Progressing');
  if (!hasProgressDeadline(deployment) || progressing === undefined || isComplete(deployment, status)) return undefined;
  if (
    progressing.reason === 'ProgressDeadlineExceeded' ||
    progressing.reason === 'NewReplicaSetAvailable' ||
    deployment.spec.paused === true
  )
    return undefined;
  const dueMs = Date.parse(progressing.lastUpdateTime ?? '') + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000;
  // One second is added because times of the API have whole seconds.
  return Number.isNaN(dueMs) ? undefined : Math.max(0, dueMs - nowMs) + 1000;
}
