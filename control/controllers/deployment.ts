/**
 * Deployment controller: moves the pods of a Deployment from one template to the next, through one ReplicaSet per template.
 *
 * Owns: ReplicaSet (by controller ownerReference).  Watches: Deployment, ReplicaSet, Pod.
 * Writes: ReplicaSet, Deployment/status (and its revision annotation).
 * Source: kubernetes.io, Deployments; kubernetes `pkg/controller/deployment`.
 */

import { errorText } from '#api/error-text.ts';
import type { KubeObject, New } from '#api/meta.ts';
import { controllerOf, nameToKey, sameJson } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { labelMatcher } from '#api/selector.ts';
import { isAlreadyExists, isNamespaceTerminating, isNotFound } from '#api/status.ts';
import type { Deployment, DeploymentCondition, DeploymentStatus, Pod, ReplicaSet } from '#api/types.generated.ts';
import type { Caches, Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, ownedBy } from '#client/controller-runner.ts';
import {
  currentSetAnnotations,
  desiredReplicasAnnotation,
  expiredSets,
  isSameTemplate,
  maxReplicasAnnotation,
  newSet,
  revisionAnnotation,
  splitSets,
} from './deployment-revisions.ts';
import type { Sizes } from './deployment-scale.ts';
import {
  annotated,
  currentSetSize,
  fenceposts,
  replicasOf,
  rollingStep,
  scaleStep,
  sum,
  wantedReplicas,
} from './deployment-scale.ts';
import {
  baseStatus,
  condition,
  find,
  hasProgressDeadline,
  isComplete,
  pausedConditions,
  progressCheckDelayMs,
  rolloutStatus,
  withCondition,
} from './deployment-status.ts';
import { adopters, carryOutClaim, planClaim } from './ownership.ts';
import { withoutZeroCounts } from './same-counts.ts';

/** Makes the Deployment controller. */
export const deploymentController = (deps: ControllerDeps): Controller => {
  const { client, caches, clock } = deps;
  return {
    name: 'deployment',
    watches: [
      own('deployments.apps'),
      ownedBy('replicasets.apps', 'Deployment'),
      { resource: 'replicasets.apps', keys: matchingDeployments },
      { resource: 'pods', keys: recreateWaits },
    ],

    async reconcile(key) {
      const deployment = caches.cache('deployments.apps').get(key);
      if (deployment === undefined) return done; // The garbage collector deletes the sets.
      const claim = planClaim(
        deployment,
        labelMatcher(deployment.spec.selector),
        caches.cache('replicasets.apps').list(deployment.metadata.namespace),
      );
      const sets = await carryOutClaim(client, { object: deployment, resource: 'deployments.apps' }, 'replicasets.apps', claim);
      const pods = sets.flatMap((set) => caches.cache('pods').ownedBy(set));
      const plan = planDeployment(deployment, sets, pods, clock.now());
      await carryOut(plan, deployment, deps);
      const delayMs = progressCheckDelayMs(deployment, plan.status, clock.now());
      return delayMs === undefined ? done : requeueAfter(delayMs);
    },
  };
};

/** Maps a set without a controller to the Deployments that may adopt it. */
const matchingDeployments = (object: KubeObject, _previous: KubeObject | undefined, caches: Caches): string[] =>
  adopters(object, caches.cache('deployments.apps'), ({ spec }) => spec.selector);

/**
 * Maps a pod to the Deployment that waits for it: a Recreate rollout continues when the last old pod has ended or is deleted, and
 * no status of a set reports that.
 */
function recreateWaits(object: KubeObject, _previous: KubeObject | undefined, caches: Caches): string[] {
  const setName = controllerOf(object);
  if (setName?.kind !== 'ReplicaSet') return [];
  const set = caches.cache('replicasets.apps').get(nameToKey({ namespace: object.metadata.namespace, name: setName.name }));
  const owner = set === undefined ? undefined : controllerOf(set);
  if (owner === undefined) return [];
  const key = nameToKey({ namespace: object.metadata.namespace, name: owner.name });
  return caches.cache('deployments.apps').get(key)?.spec.strategy?.type === 'Recreate' ? [key] : [];
}

/** The changes of one reconciliation. */
export interface DeploymentPlan {
  /** The set to create for a new template. */
  create: New<ReplicaSet> | undefined;
  /** The sets to change, each as it is now and as it should be. */
  updates: { from: ReplicaSet; to: ReplicaSet }[];
  remove: ReplicaSet[];
  status: DeploymentStatus;
  /** The revision annotation of the Deployment. Undefined: it stays as it is. */
  revision: string | undefined;
}

/** Decides the next step. Pure. @param pods the pods of all sets of the Deployment */
export function planDeployment(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  pods: readonly Pod[],
  nowMs: number,
): DeploymentPlan {
  const { current, old } = splitSets(deployment, sets);
  const conditions =
    deployment.metadata.deletionTimestamp === undefined
      ? pausedConditions(deployment, nowMs)
      : [...(deployment.status?.conditions ?? [])];
  const base: DeploymentPlan = {
    create: undefined,
    updates: [],
    remove: [],
    revision: undefined,
    status: baseStatus(deployment, current, old, conditions, nowMs),
  };
  if (deployment.metadata.deletionTimestamp !== undefined) return base;
  const paused = deployment.spec.paused === true;
  if (paused || isScaled(deployment, sets)) {
    const plan = { ...base, ...resize(deployment, current, old, scaleStep(deployment, current, old), true) };
    return { ...plan, remove: paused ? expiredSets(deployment, old) : [] };
  }
  const found = noteFound(deployment, current, conditions, nowMs);
  const rollout =
    deployment.spec.strategy?.type === 'Recreate' ? recreate(deployment, current, old, pods) : rolling(deployment, current, old);
  const status = rolloutStatus(deployment, current, old, found, nowMs);
  return { ...base, ...rollout, status, remove: isComplete(deployment, deployment.status) ? expiredSets(deployment, old) : [] };
}

/** Whether the Deployment's replicas have changed since its sets were last sized. */
function isScaled(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some(
    (set) =>
      replicasOf(set) > 0 &&
      (annotated(set, desiredReplicasAnnotation) ?? wantedReplicas(deployment)) !== wantedReplicas(deployment),
  );
}

function noteFound(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  conditions: readonly DeploymentCondition[],
  nowMs: number,
): DeploymentCondition[] {
  if (current === undefined || !hasProgressDeadline(deployment) || find(conditions, 'Progressing') !== undefined)
    return [...conditions];
  return withCondition(
    conditions,
    condition('Progressing', 'True', 'FoundNewReplicaSet', `Found new replica set "${current.metadata.name}"`, nowMs),
  );
}

type Step = Pick<DeploymentPlan, 'create' | 'updates' | 'revision'>;

function rolling(deployment: Deployment, current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Step {
  if (current === undefined) return creation(deployment, old, currentSetSize(deployment, 0, sum(old, replicasOf)));
  return resize(deployment, current, old, rollingStep(deployment, current, old), false);
}

function recreate(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  pods: readonly Pod[],
): Step {
  const running = old.filter((set) => replicasOf(set) > 0);
  if (running.length > 0) return resize(deployment, current, old, new Map(running.map((set) => [set.metadata.uid, 0])), false);
  const isOld = (pod: Pod): boolean => controllerOf(pod)?.uid !== current?.metadata.uid && !isPodTerminal(pod);
  if (old.some(({ status }) => (status?.replicas ?? 0) > 0) || pods.some(isOld))
    return resize(deployment, current, old, new Map(), false);
  if (current === undefined) return creation(deployment, old, wantedReplicas(deployment));
  return resize(deployment, current, old, new Map([[current.metadata.uid, wantedReplicas(deployment)]]), false);
}

function creation(deployment: Deployment, old: readonly ReplicaSet[], replicas: number): Step {
  const set = newSet(deployment);
  const annotations = { ...currentSetAnnotations(deployment, undefined, old), ...sizeAnnotations(deployment) };
  const create = { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec, replicas } };
  return { create, updates: [], revision: annotations[revisionAnnotation] };
}

/** Sets new sizes and their annotations. @param annotateAll also annotates sets whose size does not change */
function resize(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  sizes: Sizes,
  annotateAll: boolean,
): Step {
  const updates: DeploymentPlan['updates'] = [];
  for (const from of current === undefined ? old : [current, ...old]) {
    const size = sizes.get(from.metadata.uid) ?? replicasOf(from);
    let annotations =
      from === current ? currentSetAnnotations(deployment, from.metadata.annotations, old) : (from.metadata.annotations ?? {});
    if (size !== replicasOf(from) || (annotateAll && sizes.has(from.metadata.uid)))
      annotations = { ...annotations, ...sizeAnnotations(deployment) };
    const minReadySeconds = from === current ? deployment.spec.minReadySeconds : from.spec.minReadySeconds;
    const to = { ...from, metadata: { ...from.metadata, annotations }, spec: { ...from.spec, replicas: size, minReadySeconds } };
    if (!sameJson({ ...from, metadata: { ...from.metadata, annotations: from.metadata.annotations ?? {} } }, to))
      updates.push({ from, to });
  }
  const revision =
    current === undefined ? undefined : currentSetAnnotations(deployment, current.metadata.annotations, old)[revisionAnnotation];
  return { create: undefined, updates, revision };
}

function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const wanted = wantedReplicas(deployment);
  return {
    [desiredReplicasAnnotation]: String(wanted),
    [maxReplicasAnnotation]: String(wanted + fenceposts(deployment).maxSurge),
  };
}

async function carryOut(plan: DeploymentPlan, deployment: Deployment, deps: ControllerDeps): Promise<void> {
  const { client, events } = deps;
  let { status } = plan;
  if (plan.create !== undefined) status = await createSet(plan.create, plan, deployment, deps);
  for (const { from, to } of plan.updates) {
    await client.resource('replicasets.apps').update(to);
    const [before, after] = [replicasOf(from), replicasOf(to)];
    if (before !== after) {
      events.event(
        deployment,
        'Normal',
        'ScalingReplicaSet',
        `Scaled ${before < after ? 'up' : 'down'} replica set ${to.metadata.name} from ${before} to ${after}`,
      );
    }
  }
  for (const set of plan.remove) await removeSet(set, deps);
  await report(deployment, status, plan.revision, deps);
}

async function removeSet({ metadata: { namespace, name, uid } }: ReplicaSet, { client }: ControllerDeps): Promise<void> {
  try {
    await client.resource('replicasets.apps').delete({ namespace, name }, { preconditions: { uid } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Creates the set of a new template. @returns the Deployment's status with the result of the creation */
async function createSet(
  create: New<ReplicaSet>,
  plan: DeploymentPlan,
  deployment: Deployment,
  deps: ControllerDeps,
): Promise<DeploymentStatus> {
  const { client, events, clock } = deps;
  const progressing = (status: 'True' | 'False', reason: string, message: string): DeploymentStatus =>
    hasProgressDeadline(deployment)
      ? {
          ...plan.status,
          conditions: withCondition(plan.status.conditions ?? [], condition('Progressing', status, reason, message, clock.now())),
        }
      : plan.status;
  try {
    const { metadata, spec } = await client.resource('replicasets.apps').create(create);
    if ((spec.replicas ?? 0) > 0)
      events.event(
        deployment,
        'Normal',
        'ScalingReplicaSet',
        `Scaled up replica set ${metadata.name} from 0 to ${spec.replicas}`,
      );
    return progressing('True', 'NewReplicaSetCreated', `Created new replica set "${metadata.name}"`);
  } catch (error) {
    if (isAlreadyExists(error)) {
      await resolveCollision(create, deployment, deps);
      throw error; // The key is retried, with a newer cache or another name.
    }
    if (isNamespaceTerminating(error)) throw error;
    const message = `Failed to create new replica set "${create.metadata.name}": ${errorText(error)}`;
    events.event(deployment, 'Warning', 'ReplicaSetCreateError', message);
    await report(deployment, progressing('False', 'ReplicaSetCreateError', message), undefined, deps);
    throw error;
  }
}

/**
 * Handles an existing set of this name that has another owner or template: increases the collision count, from which the next
 * name is computed.
 */
async function resolveCollision(create: New<ReplicaSet>, deployment: Deployment, deps: ControllerDeps): Promise<void> {
  const { namespace, name = '' } = create.metadata;
  const present = await deps.client.resource('replicasets.apps').get({ namespace, name });
  if (controllerOf(present)?.uid === deployment.metadata.uid && isSameTemplate(present.spec.template, create.spec.template))
    return;
  await report(
    deployment,
    { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 },
    undefined,
    deps,
  );
}

async function report(
  deployment: Deployment,
  status: DeploymentStatus,
  revision: string | undefined,
  { client }: ControllerDeps,
): Promise<void> {
  const annotations =
    revision === undefined
      ? deployment.metadata.annotations
      : { ...deployment.metadata.annotations, [revisionAnnotation]: revision };
  if (sameStatus(deployment.status, status) && sameJson(annotations, deployment.metadata.annotations)) return;
  await client
    .resource('deployments.apps')
    .updateStatus({ ...deployment, metadata: { ...deployment.metadata, annotations }, status });
}

/** Compares two statuses. The order of conditions has no meaning. */
function sameStatus(a: DeploymentStatus | undefined, b: DeploymentStatus): boolean {
  const normal = ({ conditions = [], ...counts }: DeploymentStatus) => ({
    ...withoutZeroCounts(counts),
    conditions: Object.fromEntries(conditions.map((one) => [one.type, one])),
  });
  return sameJson(normal(a ?? {}), normal(b));
}
