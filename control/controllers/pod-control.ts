/**
 * What all controllers that own pods share: creating pods from a template, deleting pods, and expectations until the cache shows
 * them.
 *
 * Source: kubernetes `pkg/controller/controller_utils.go` (PodControlInterface; slowStartBatch of each controller).
 */
import { errorText } from '#api/error-text.ts';
import type { KubeObject, New } from '#api/meta.ts';
import { controllerReference, keyOf } from '#api/meta.ts';
import { isNamespaceTerminating, isNotFound } from '#api/status.ts';
import type { Pod, PodTemplateSpec } from '#api/types.generated.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { createExpectations, type Expectations } from './expectations.ts';

/** The first failure. Its reason becomes the reason of the owner's event and condition. */
export interface PodControlFailure {
  reason: 'FailedCreate' | 'FailedDelete';
  error: unknown;
}

/** The pods that a plan creates and deletes. */
export interface PodChanges {
  create: readonly New<Pod>[];
  remove: readonly Pod[];
}

/** Creates and deletes the pods of owners of one kind. */
export interface PodControl {
  readonly expectations: Expectations;
  /** Creates one pod. @throws what the creation failed with, unless the namespace is being deleted */
  create(owner: KubeObject, pod: New<Pod>): Promise<void>;
  /** Deletes one pod. One that is gone is deleted. @throws what the deletion failed with */
  remove(owner: KubeObject, pod: Pod): Promise<void>;
  /**
   * Creates pods in slow start and deletes pods all at once. Each is recorded in an event of the owner. Never rejects; resolves
   * to the first failure, or undefined.
   */
  carryOut(owner: KubeObject, changes: PodChanges): Promise<PodControlFailure | undefined>;
}

/** Makes the pod control of one controller. */
export function createPodControl({
  client,
  caches,
  clock,
  events,
}: Pick<ControllerDeps, 'client' | 'caches' | 'clock' | 'events'>): PodControl {
  const expectations = createExpectations(client, caches, 'pods');

  async function create(owner: KubeObject, pod: New<Pod>): Promise<void> {
    try {
      const created = await client.resource('pods').create(pod);
      expectations.created(keyOf(owner), created, clock.monotonic());
      events.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
    } catch (error) {
      if (isNamespaceTerminating(error)) return; // Nothing can be created in the namespace any more.
      events.event(owner, 'Warning', 'FailedCreate', `Error creating: ${errorText(error)}`);
      throw error;
    }
  }

  async function remove(owner: KubeObject, pod: Pod): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    try {
      await client.resource('pods').delete({ namespace, name }, { preconditions: { uid } });
      events.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
    } catch (error) {
      if (!isNotFound(error)) {
        events.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${errorText(error)}`);
        throw error;
      }
    }
    expectations.deleted(keyOf(owner), pod, clock.monotonic());
  }

  return {
    expectations,
    create,
    remove,
    async carryOut(owner, changes) {
      const creation = await slowStart(changes.create, (pod) => create(owner, pod));
      if (creation !== undefined) return { reason: 'FailedCreate', error: creation };
      const results = await Promise.allSettled(changes.remove.map((pod) => remove(owner, pod)));
      const failed = results.find((result) => result.status === 'rejected');
      return failed === undefined ? undefined : { reason: 'FailedDelete', error: failed.reason };
    },
  };
}

/**
 * Calls `action` for the items in batches of 1, 2, 4 …. It stops after a batch with a failure, so that a cause that fails every
 * call (a quota) fails few calls and not hundreds.
 * @returns the first error
 */
export async function slowStart<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<unknown> {
  let done = 0;
  for (let size = 1; done < items.length; size *= 2) {
    const batch = items.slice(done, done + size);
    const results = await Promise.allSettled(batch.map(action));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) return failed.reason;
    done += batch.length;
  }
  return undefined;
}

/** A pod from the owner's template. The server completes its name from generateName. */
export function podFromTemplate(owner: KubeObject, template: PodTemplateSpec | undefined): New<Pod> {
  const { metadata, spec } = template ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace,
      labels: metadata?.labels,
      annotations: metadata?.annotations,
      finalizers: metadata?.finalizers,
      ownerReferences: [controllerReference(owner)],
    },
    spec: spec ?? { containers: [] },
  };
}
