/**
 * DaemonSet controller: keeps one pod on every node that a DaemonSet selects, and replaces them when the template changes.
 *
 * Owns: Pod, ControllerRevision (by controller ownerReference).  Watches: DaemonSet, ControllerRevision, Pod, Node.
 * Writes: Pod, ControllerRevision, DaemonSet/status.
 * Source: kubernetes.io, DaemonSet; kubernetes `pkg/controller/daemon`.
 */
import type { KubeObject } from '#api/meta.ts';
import { keyOf, sameJson } from '#api/meta.ts';
import { labelMatcher } from '#api/selector.ts';
import type { ControllerRevision, DaemonSet, Node, Pod } from '#api/types.generated.ts';
import type { Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, ownedBy } from '#client/controller-runner.ts';
import { nextAvailability } from './availability.ts';
import { BackOff } from './backoff.ts';
import { createRevision, planHistory, RevisionCollision, removeRevision, revisionLabel } from './controller-revisions.ts';
import { eligibilityOf, templateForNode } from './daemonset-nodes.ts';
import { type DaemonPlan, type DaemonState, daemonSetStatus, planDaemonSet } from './daemonset-plan.ts';
import { createExpectations, recheckAfterMs } from './expectations.ts';
import { adopters, carryOutClaim, planClaim } from './ownership.ts';
import { createPodControl, type PodControlFailure, podFromTemplate } from './pod-control.ts';
import { sameCounts } from './same-counts.ts';

/** Maximum number of pods that are created, and that are deleted, in one reconciliation. */
const burst = 250;
/** How long a node waits after its pod has failed, until it gets another one. */
const failedBackOff = { initialMs: 1000, maxMs: 15 * 60_000 };

const resource = 'daemonsets.apps';

/** Makes the DaemonSet controller. */
export const daemonSetController = (deps: ControllerDeps): Controller => new DaemonSetController(deps);

class DaemonSetController implements Controller {
  readonly name = 'daemonset';
  readonly watches: Controller['watches'];
  readonly #deps: ControllerDeps;
  readonly #podControl: ReturnType<typeof createPodControl>;
  readonly #revisions: ReturnType<typeof createExpectations>;
  readonly #failed = new BackOff(failedBackOff);

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#podControl = createPodControl(deps);
    this.#revisions = createExpectations(deps.client, deps.caches, 'controllerrevisions.apps');
    this.watches = [
      own(resource),
      ownedBy('pods', 'DaemonSet'),
      { resource: 'pods', keys: (object) => this.#adopters(object) },
      // A revision that the set already owns causes no work: users' changes of it are seen at the next change of the set.
      { resource: 'controllerrevisions.apps', keys: (object) => this.#adopters(object) },
      { resource: 'nodes', keys: (node, previous) => this.#concerned(node, previous) },
    ];
  }

  /** Maps an object without a controller to the sets that may adopt it. */
  #adopters(object: KubeObject): string[] {
    return adopters(object, this.#deps.caches.cache(resource), ({ spec }) => spec.selector);
  }

  /** The keys of the sets for which a node that comes, goes, or changes in labels or taints makes a difference. */
  #concerned(node: Node, previous: Node | undefined): string[] {
    const sets = this.#deps.caches.cache(resource).list();
    if (previous === undefined) return sets.map(keyOf);
    const isSame = sameJson(node.metadata.labels, previous.metadata.labels) && sameJson(node.spec.taints, previous.spec.taints);
    if (isSame) return [];
    return sets
      .filter((set) => {
        const eligible = eligibilityOf(set);
        return !sameJson(eligible(node), eligible(previous));
      })
      .map(keyOf);
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const { caches, clock, events } = this.#deps;
    const { expectations } = this.#podControl;
    const set = caches.cache(resource).get(key);
    if (set === undefined) {
      expectations.forget(key); // The set is deleted: the garbage collector deletes its pods.
      this.#revisions.forget(key);
      return done;
    }
    if (selectsAll(set)) {
      const text = 'This daemon set is selecting all pods. A non-empty selector is required.';
      events.event(set, 'Warning', 'SelectingAll', text);
      return done;
    }
    // While the set is being deleted, its history may be gone already, so not even its status can be told.
    if (set.metadata.deletionTimestamp !== undefined) return done;
    if (!(await this.#revisions.met(key, clock.monotonic()))) return requeueAfter(recheckAfterMs);
    const { hash, old } = await this.#history(set);
    // Expectations are checked before the cache is read: pods that appear while others are claimed are not in the list that was
    // read.
    const isCurrent = await expectations.met(key, clock.monotonic());
    const pods = await this.#claim(set, 'pods');
    const state = { set, nodes: caches.cache('nodes').list(), pods, hash, nowMs: clock.now() };
    if (!isCurrent) {
      // The generation is not observed: nothing was done for it yet.
      await this.#report(state, set.status?.observedGeneration);
      return requeueAfter(recheckAfterMs);
    }
    const { failure, waitMs } = await this.#carryOut(state);
    if (failure === undefined) await this.#cleanUp(set, old, pods);
    await this.#report(state, set.metadata.generation);
    if (failure !== undefined) throw failure.error;
    const next = nextAvailability(pods, set.spec.minReadySeconds, clock.now());
    if (waitMs === undefined) return next;
    return requeueAfter(next.kind === 'done' ? waitMs : Math.min(waitMs, next.delayMs));
  }

  /** The set's objects of one kind: adopts those that match and have no controller, and releases those that match no more. */
  async #claim<Id extends 'pods' | 'controllerrevisions.apps'>(
    set: DaemonSet,
    owned: Id,
  ): Promise<(Id extends 'pods' ? Pod : ControllerRevision)[]> {
    const { client, caches } = this.#deps;
    const candidates: KubeObject[] = caches.cache(owned).list(set.metadata.namespace);
    const claim = planClaim(set, labelMatcher(set.spec.selector), candidates);
    const claimed = await carryOutClaim(client, { object: set, resource }, owned, claim);
    return claimed as (Id extends 'pods' ? Pod : ControllerRevision)[];
  }

  /** Brings the history up to date. @returns the hash of the current template, and the revisions of former ones */
  async #history(set: DaemonSet): Promise<{ hash: string; old: ControllerRevision[] }> {
    const { client, clock } = this.#deps;
    const claimed = await this.#claim(set, 'controllerrevisions.apps');
    const { current, create, renumber, duplicates, old } = planHistory(set, claimed, revisionLabel);
    if (create !== undefined) {
      const created = await createRevision(client, create).catch((error: unknown) => this.#resolveCollision(set, error));
      this.#revisions.created(keyOf(set), created, clock.monotonic());
      return { hash: hashOf(created), old };
    }
    if (current === undefined) throw new Error('a history has a current revision, or one to create');
    const hash = hashOf(current);
    if (duplicates.length > 0) await this.#relabel(set, hash);
    for (const duplicate of duplicates) await removeRevision(client, duplicate);
    if (renumber !== undefined) await client.resource('controllerrevisions.apps').update({ ...current, revision: renumber });
    return { hash, old };
  }

  /** The pods of several revisions with the same template become those of one. */
  async #relabel(set: DaemonSet, hash: string): Promise<void> {
    for (const { metadata } of await this.#claim(set, 'pods')) {
      if (metadata.labels?.[revisionLabel] === hash) continue;
      const { namespace, name } = metadata;
      const body = { metadata: { labels: { [revisionLabel]: hash } } };
      await this.#deps.client.resource('pods').patch({ namespace, name }, { type: 'merge', body });
    }
  }

  /** After a collision of names the collision count goes up, from which the next name is computed. @throws the error */
  async #resolveCollision(set: DaemonSet, error: unknown): Promise<never> {
    if (error instanceof RevisionCollision) {
      const collisionCount = (set.status?.collisionCount ?? 0) + 1;
      // The conflict of an old cache is good: the count is raised only once.
      await this.#deps.client.resource(resource).updateStatus({ ...set, status: { ...noCounts, ...set.status, collisionCount } });
    }
    throw error;
  }

  /** Creates and deletes pods. @returns the first failure, and how long failed pods wait for their replacement */
  async #carryOut(state: DaemonState): Promise<{ failure: PodControlFailure | undefined; waitMs: number | undefined }> {
    const { set, hash, nowMs } = state;
    const backOffKey = (node: string): string => `${set.metadata.uid}/${set.status?.observedGeneration ?? 0}/${node}`;
    const plan = planDaemonSet(state, (node) => this.#failed.remainingMs(backOffKey(node), nowMs) > 0);
    const waits = this.#tellEnded(plan, set, backOffKey, nowMs);
    const create = plan.createOn.slice(0, burst).map((node) => podFromTemplate(set, templateForNode(set, node, hash)));
    const creation = await this.#podControl.carryOut(set, { create, remove: [] });
    const removal = await this.#podControl.carryOut(set, { create: [], remove: plan.remove.slice(0, burst) });
    return { failure: creation ?? removal, waitMs: waits.length === 0 ? undefined : Math.min(...waits) };
  }

  #tellEnded({ ended, remove }: DaemonPlan, set: DaemonSet, backOffKey: (node: string) => string, nowMs: number): number[] {
    const waits: number[] = [];
    for (const { pod, node } of ended) {
      const { namespace, name } = pod.metadata;
      if (pod.status?.phase === 'Succeeded') {
        const text = `Found succeeded daemon pod ${namespace}/${name} on node ${node}, will try to delete it`;
        this.#deps.events.event(set, 'Normal', 'SucceededDaemonPod', text);
      } else if (remove.includes(pod)) {
        this.#failed.next(backOffKey(node), nowMs);
        const text = `Found failed daemon pod ${namespace}/${name} on node ${node}, will try to kill it`;
        this.#deps.events.event(set, 'Warning', 'FailedDaemonPod', text);
      } else waits.push(this.#failed.remainingMs(backOffKey(node), nowMs));
    }
    return waits;
  }

  /** Deletes the oldest revisions beyond the limit. Those that pods are from stay. */
  async #cleanUp({ spec }: DaemonSet, old: readonly ControllerRevision[], pods: readonly Pod[]): Promise<void> {
    const live = new Set(pods.map(({ metadata }) => metadata.labels?.[revisionLabel]));
    const surplus = old.length - (spec.revisionHistoryLimit ?? 10);
    const removable = old.filter((revision) => !live.has(hashOf(revision)));
    for (const revision of removable.slice(0, Math.max(0, surplus))) await removeRevision(this.#deps.client, revision);
  }

  async #report(state: DaemonState, observedGeneration: number | undefined): Promise<void> {
    const { set } = state;
    const status = daemonSetStatus(state, observedGeneration);
    if (sameCounts(set.status, status)) return;
    await this.#deps.client.resource(resource).updateStatus({ ...set, status });
  }
}

const noCounts = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };

/** The hash of a revision's name, with which its pods are labelled. */
const hashOf = ({ metadata }: ControllerRevision): string => metadata.labels?.[revisionLabel] ?? metadata.name;

const selectsAll = ({ spec: { selector } }: DaemonSet): boolean =>
  Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0;
