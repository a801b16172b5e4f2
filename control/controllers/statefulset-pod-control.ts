/**
 * Creates, repairs and deletes the pods of StatefulSets with their claims, and records an event for each.
 *
 * Source: kubernetes `pkg/controller/statefulset/stateful_pod_control.go`.
 */
import { errorText } from '#api/error-text.ts';
import type { New } from '#api/meta.ts';
import { keyOf, nameToKey } from '#api/meta.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { Pod, StatefulSet } from '#api/types.generated.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { createExpectations, type Expectations } from './expectations.ts';
import { type ClaimLookup, claimOwners, claimsOf, hasOtherController } from './statefulset-claims.ts';
import type { StatefulStep } from './statefulset-plan.ts';
import { conformed, hasIdentity, hasStorage, ordinalOf } from './statefulset-pods.ts';

type SomePod = Pod | New<Pod>;
type Verb = 'Create' | 'Update' | 'Delete';

/** Carries out the steps of plans. */
export class StatefulPodControl {
  readonly expectations: Expectations;
  readonly #deps: ControllerDeps;

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.expectations = createExpectations(deps.client, deps.caches, 'pods');
  }

  /** Finds the claims of the set's namespace in the cache. */
  lookup({ metadata: { namespace } }: StatefulSet): ClaimLookup {
    const claims = this.#deps.caches.cache('persistentvolumeclaims');
    return (name) => claims.get(nameToKey({ namespace, name }));
  }

  /** Carries out a step. @throws ApiError of the server, after an event was recorded */
  async carryOut(set: StatefulSet, step: StatefulStep): Promise<void> {
    switch (step.do) {
      case 'create':
        return await this.#create(set, step.pod);
      case 'delete':
        return await this.remove(set, step.pod);
      case 'createClaims':
        await this.#createClaims(set, step.pod);
        return await this.#recorded('Update', set, step.pod, () => this.#fixClaims(set, step.pod), 'failures');
      case 'fixClaims':
        return await this.#fixClaims(set, step.pod);
      case 'fixPod':
        return await this.#fixPod(set, step.pod);
      default:
        return step satisfies never;
    }
  }

  /** Deletes a pod. One that is gone already counts as deleted. */
  async remove(set: StatefulSet, pod: Pod): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    await this.#recorded('Delete', set, pod, async () => {
      try {
        await this.#deps.client.resource('pods').delete({ namespace, name }, { preconditions: { uid } });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    });
    this.expectations.deleted(keyOf(set), pod, this.#deps.clock.monotonic());
  }

  async #create(set: StatefulSet, pod: New<Pod>): Promise<void> {
    await this.#recorded('Create', set, pod, () => this.#createClaims(set, pod), 'failures');
    let created: Pod;
    try {
      created = await this.#deps.client.resource('pods').create(pod);
    } catch (error) {
      // The cache is stale and the pod exists already. The key is retried without an event.
      if (!isAlreadyExists(error)) this.#tell('Create', set, pod, error);
      throw error;
    }
    this.expectations.created(keyOf(set), created, this.#deps.clock.monotonic());
    await this.#recorded('Update', set, pod, () => this.#fixClaims(set, created), 'failures');
    this.#tell('Create', set, pod);
  }

  async #fixPod(set: StatefulSet, pod: Pod): Promise<void> {
    await this.#recorded('Update', set, pod, async () => {
      if (!hasStorage(set, pod)) await this.#createClaims(set, pod);
      await this.#fixClaims(set, pod);
      if (!hasIdentity(pod) || !hasStorage(set, pod)) await this.#deps.client.resource('pods').update(conformed(set, pod));
    });
  }

  /** Creates the claims that are missing. @throws the first error after all were tried */
  async #createClaims(set: StatefulSet, pod: SomePod): Promise<void> {
    const lookup = this.lookup(set);
    const errors: Error[] = [];
    for (const claim of claimsOf(set, ordinalOf(pod))) {
      const { name = '' } = claim.metadata;
      const present = lookup(name);
      if (present?.metadata.deletionTimestamp !== undefined) errors.push(new Error(`pvc ${name} is being deleted`));
      if (present !== undefined) continue;
      try {
        await this.#deps.client.resource('persistentvolumeclaims').create(claim);
        const text = `Create Claim ${name} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} success`;
        this.#deps.events.event(set, 'Normal', 'SuccessfulCreate', text);
      } catch (error) {
        const why = errorText(error);
        errors.push(new Error(`failed to create PVC ${name}: ${why}`, { cause: error }));
        if (isAlreadyExists(error)) continue;
        const text = `Create Claim ${name} for Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} failed error: ${why}`;
        this.#deps.events.event(set, 'Warning', 'FailedCreate', text);
      }
    }
    const [first] = errors;
    if (first !== undefined) throw first;
  }

  /** Gives the pod's claims the owners of the retention policy. */
  async #fixClaims(set: StatefulSet, pod: Pod): Promise<void> {
    const lookup = this.lookup(set);
    for (const { metadata } of claimsOf(set, ordinalOf(pod))) {
      const { name = '' } = metadata;
      const claim = lookup(name);
      if (claim === undefined) continue;
      if (hasOtherController(claim, set, pod)) {
        const text = `PersistentVolumeClaim ${name} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim`;
        this.#deps.events.event(set, 'Warning', 'ConflictingController', text);
      }
      const ownerReferences = claimOwners(claim, set, pod);
      if (ownerReferences === undefined) continue;
      try {
        await this.#deps.client
          .resource('persistentvolumeclaims')
          .update({ ...claim, metadata: { ...claim.metadata, ownerReferences } });
      } catch (error) {
        throw new Error(`could not update claim ${name} for delete policy ownerRefs: ${errorText(error)}`, { cause: error });
      }
    }
  }

  async #recorded(
    verb: Verb,
    set: StatefulSet,
    pod: SomePod,
    work: () => Promise<void>,
    what: 'all' | 'failures' = 'all',
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#tell(verb, set, pod, error);
      throw error;
    }
    if (what === 'all') this.#tell(verb, set, pod);
  }

  #tell(verb: Verb, set: StatefulSet, pod: SomePod, error?: unknown): void {
    const what = `${verb} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
    const { events } = this.#deps;
    if (error === undefined) events.event(set, 'Normal', `Successful${verb}`, `${what} successful`);
    else events.event(set, 'Warning', `Failed${verb}`, `${what} failed error: ${errorText(error)}`);
  }
}
