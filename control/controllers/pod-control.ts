/**
 * What controllers that keep pods share: pods made from a template, deleted, and counted on before the cache shows them.
 *
 * Source: kubernetes `pkg/controller/controller_utils.go` (PodControlInterface, SlowStartBatch's like in each controller).
 */
import { errorText } from '#api/error-text.ts';
import type { KubeObject, New } from '#api/meta.ts';
import { controllerReference, keyOf } from '#api/meta.ts';
import { isNamespaceTerminating, isNotFound } from '#api/status.ts';
import type { Pod, PodTemplateSpec } from '#api/types.generated.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { createExpectations, type Expectations } from './expectations.ts';

/** The first thing that went wrong; its reason is the event's and the condition's. */
export interface PodControlFailure {
  reason: 'FailedCreate' | 'FailedDelete';
  error: unknown;
}

/** What a plan asks for. */
export interface PodChanges {
  create: readonly New<Pod>[];
  remove: readonly Pod[];
}

export interface PodControl {
  readonly expectations: Expectations;
  /** Creates in slow start, deletes all at once; each with its event on the owner. Never rejects. */
  carryOut(owner: KubeObject, changes: PodChanges): Promise<PodControlFailure | undefined>;
}

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
      if (isNamespaceTerminating(error)) return; // Nothing can be created any more, nor need be.
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
 * Calls `action` for the items in batches of 1, 2, 4 …; a failure ends it after its batch, so that what must fail (a quota)
 * fails once and not a hundred times.
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

/** A pod of the owner's template. The server completes the name. */
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
