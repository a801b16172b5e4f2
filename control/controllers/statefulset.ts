/**
 * StatefulSet controller: keeps `spec.replicas` pods with stable names, and moves them one by one from one template to the next.
 *
 * Owns: Pod, ControllerRevision (by controller ownerReference), and PersistentVolumeClaims that no deletion of a pod takes along.
 * Watches: StatefulSet, ControllerRevision, Pod, PersistentVolumeClaim.  Writes: these, and StatefulSet/status.
 * Source: kubernetes.io, StatefulSets; kubernetes `pkg/controller/statefulset`.
 */
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import { labelMatcher } from '#api/selector.ts';
import type { ControllerRevision, Pod, StatefulSet, StatefulSetStatus } from '#api/types.generated.ts';
import type { Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, ownedBy, reads } from '#client/controller-runner.ts';
import { nextAvailability } from './availability.ts';
import {
  byRevision,
  createRevision,
  planHistory,
  RevisionCollision,
  removeRevision,
  templateOfRevision,
} from './controller-revisions.ts';
import { createExpectations, type Expectations, recheckAfterMs } from './expectations.ts';
import { adopters, carryOutClaim, planClaim } from './ownership.ts';
import { slowStart } from './pod-control.ts';
import { sameCounts } from './same-counts.ts';
import { completed, planStatefulSet, type Revision, type StatefulPlan, type StatefulStep } from './statefulset-plan.ts';
import { StatefulPodControl } from './statefulset-pod-control.ts';
import { isMember, revisionOfPod } from './statefulset-pods.ts';

const resource = 'statefulsets.apps';
/** The label of revisions with the hash in their names. */
const hashLabel = 'controller.kubernetes.io/hash';

/** Makes the StatefulSet controller. */
export const statefulSetController = (deps: ControllerDeps): Controller => new StatefulSetController(deps);

class StatefulSetController implements Controller {
  readonly name = 'statefulset';
  readonly watches: Controller['watches'];
  readonly #deps: ControllerDeps;
  readonly #podControl: StatefulPodControl;
  readonly #revisions: Expectations;

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#podControl = new StatefulPodControl(deps);
    this.#revisions = createExpectations(deps.client, deps.caches, 'controllerrevisions.apps');
    this.watches = [
      own(resource),
      ownedBy('pods', 'StatefulSet'),
      reads('controllerrevisions.apps'),
      reads('persistentvolumeclaims'),
      { resource: 'pods', keys: (object) => this.#adopters(object) },
    ];
  }

  /** Maps an object without a controller to the sets that may adopt it. */
  #adopters(object: KubeObject): string[] {
    return adopters(object, this.#deps.caches.cache(resource), ({ spec }) => spec.selector);
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const { caches, clock } = this.#deps;
    const { expectations } = this.#podControl;
    const set = caches.cache(resource).get(key);
    if (set === undefined) {
      expectations.forget(key); // The set is deleted: the garbage collector deletes its pods.
      this.#revisions.forget(key);
      return done;
    }
    // A stale cache could show the old pod of a name that was deleted and created again. Check the expectations before reading the cache:
    // pods that appear during the claim step are not in the list that was read.
    const isCurrent = (await expectations.met(key, clock.monotonic())) && (await this.#revisions.met(key, clock.monotonic()));
    const revisions = await this.#claimRevisions(set);
    const pods = await this.#claimPods(set);
    if (!isCurrent) return requeueAfter(recheckAfterMs);
    const { current, update } = await this.#history(set, revisions);
    const claims = this.#podControl.lookup(set);
    const plan = planStatefulSet({ set, pods, current, update, claims, nowMs: clock.now() });
    const { error, status } = await this.#carryOut(set, plan);
    await this.#report(set, completed(set, status));
    await this.#truncate(set, revisions, [current.name, update.name, ...pods.map(revisionOfPod)]);
    if (error !== undefined) throw error;
    return nextAvailability(pods, set.spec.minReadySeconds, clock.now());
  }

  async #claimPods(set: StatefulSet): Promise<Pod[]> {
    const { client, caches } = this.#deps;
    const candidates = caches.cache('pods').list(set.metadata.namespace);
    const claim = planClaim(set, labelMatcher(set.spec.selector), candidates, (pod) => isMember(set, pod));
    return await carryOutClaim(client, { object: set, resource }, 'pods', claim);
  }

  async #claimRevisions(set: StatefulSet): Promise<ControllerRevision[]> {
    const { client, caches } = this.#deps;
    const candidates = caches.cache('controllerrevisions.apps').list(set.metadata.namespace);
    const claim = { ...planClaim(set, labelMatcher(set.spec.selector), candidates), release: [] };
    return await carryOutClaim(client, { object: set, resource }, 'controllerrevisions.apps', claim);
  }

  /** Brings the history up to date. @returns the revision of the template, and the one that pods had before the update */
  async #history(set: StatefulSet, revisions: readonly ControllerRevision[]): Promise<{ current: Revision; update: Revision }> {
    const { client, clock } = this.#deps;
    const plan = planHistory(set, revisions, hashLabel);
    let latest = plan.current;
    if (plan.create !== undefined) {
      latest = await createRevision(client, plan.create).catch((error: unknown) => this.#resolveCollision(set, error));
      this.#revisions.created(keyOf(set), latest, clock.monotonic());
    }
    if (latest === undefined) throw new Error('a history has a current revision, or one to create');
    if (plan.renumber !== undefined)
      await client.resource('controllerrevisions.apps').update({ ...latest, revision: plan.renumber });
    const update = { name: latest.metadata.name, template: set.spec.template };
    const before = revisions.find(({ metadata }) => metadata.name === set.status?.currentRevision);
    const template = before === undefined ? undefined : templateOfRevision(before);
    if (before === undefined || template === undefined) return { current: update, update };
    return { current: { name: before.metadata.name, template }, update };
  }

  /** After a collision of names the collision count goes up, from which the next name is computed. @throws the error */
  async #resolveCollision(set: StatefulSet, error: unknown): Promise<never> {
    if (error instanceof RevisionCollision) {
      const collisionCount = (set.status?.collisionCount ?? 0) + 1;
      // The conflict of an old cache is good: the count is raised only once.
      await this.#deps.client.resource(resource).updateStatus({ ...set, status: { replicas: 0, ...set.status, collisionCount } });
    }
    throw error;
  }

  /** Carries out phase after phase until one fails. @returns the failure, and the status to report in any case */
  async #carryOut(set: StatefulSet, plan: StatefulPlan): Promise<{ error: unknown; status: StatefulSetStatus }> {
    const { phases, outdated, status } = plan;
    const forPod = async (steps: readonly StatefulStep[]): Promise<void> => {
      for (const step of steps) await this.#podControl.carryOut(set, step);
    };
    try {
      for (const phase of phases) await this.#runPhase(set, phase, forPod);
      if (outdated === undefined) return { error: undefined, status };
      await this.#podControl.remove(set, outdated);
      return { error: undefined, status: { ...status, currentReplicas: (status.currentReplicas ?? 0) - 1 } };
    } catch (error) {
      return { error, status };
    }
  }

  async #runPhase(
    { spec }: StatefulSet,
    phase: readonly StatefulStep[][],
    forPod: (steps: readonly StatefulStep[]) => Promise<void>,
  ): Promise<void> {
    if (spec.podManagementPolicy !== 'Parallel') {
      for (const steps of phase) await forPod(steps);
      return;
    }
    const failure = await slowStart(phase, forPod);
    if (failure !== undefined) throw failure;
  }

  /** Deletes the oldest revisions beyond the limit. Those that are in use stay. */
  async #truncate({ spec }: StatefulSet, revisions: readonly ControllerRevision[], live: readonly string[]): Promise<void> {
    const limit = spec.revisionHistoryLimit ?? 10;
    const unused = byRevision(revisions).filter(({ metadata }) => !live.includes(metadata.name));
    if (limit < 0) return;
    for (const revision of unused.slice(0, Math.max(0, unused.length - limit))) await removeRevision(this.#deps.client, revision);
  }

  async #report(set: StatefulSet, status: StatefulSetStatus): Promise<void> {
    if (sameCounts(set.status, status)) return;
    await this.#deps.client.resource(resource).updateStatus({ ...set, status });
  }
}
