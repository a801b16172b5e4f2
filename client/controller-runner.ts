/** Runs controllers: maps changes to keys, queues them, and gives them to workers; back-off on errors. */

import type { Logger } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import { controllerOf, keyOf, nameToKey } from '#api/meta.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import { isConflict, isNamespaceTerminating } from '#api/status.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';
import type { Caches, Controller, ControllerWatch, FollowedResources } from './controller.ts';
import type { Informer } from './informer.ts';
import type { Informers } from './informers.ts';
import type { WorkQueue, WorkQueueObserver } from './workqueue.ts';
import { createWorkQueue } from './workqueue.ts';

/** Told of every finished reconcile; for counters. */
export interface ReconcileObserver {
  reconciled(controller: string, key: string, durationMs: number, error: unknown): void;
  /** The observer of the queue of a controller that begins. */
  queue?(controller: string, clock: Clock): WorkQueueObserver | undefined;
  /** A controller runs, or has ended. */
  running?(controller: string, isRunning: boolean): void;
}

/** The dependencies of the runner. */
export interface ControllerRunnerDeps {
  informers: Informers;
  clock: Clock;
  log: Logger;
  observer?: ReconcileObserver;
  /** How many keys of this controller are worked on at once. Undefined, or absent: the controller's own number. */
  concurrencyOf?: ((controller: Controller) => number | undefined) | undefined;
}

/** A watch of a resource whose type is not known here: `keys` looks only at what every object has. */
export function watchAny(
  resource: ResourceId,
  keys: (object: KubeObject, previous: KubeObject | undefined, caches: Caches) => Iterable<string>,
): ControllerWatch {
  return { resource, keys } as ControllerWatch;
}

/** A change of an object of this resource concerns the key of that object. */
export const own = (resource: ResourceId): ControllerWatch => watchAny(resource, (object) => [keyOf(object)]);

/** A change of an object concerns its controlling owner of this kind; when the owner changes, the old and the new one. */
export function ownedBy(resource: ResourceId, ownerKind: string): ControllerWatch {
  return watchAny(resource, (object, previous) => {
    const keys = new Set<string>();
    for (const one of [object, previous]) {
      const owner = one === undefined ? undefined : controllerOf(one);
      if (one !== undefined && owner?.kind === ownerKind)
        keys.add(nameToKey({ namespace: one.metadata.namespace, name: owner.name }));
    }
    return keys;
  });
}

/** The controller reads this resource's cache: it is synced before the first reconcile, but its changes queue no key. */
export const reads = (resource: ResourceId): ControllerWatch => watchAny(resource, () => []);

/** Runs one controller until `signal` aborts; settles when its last reconcile has finished. */
export async function runController(controller: Controller, deps: ControllerRunnerDeps, signal: AbortSignal): Promise<void> {
  const log = deps.log.child({ controller: controller.name });
  const queue = createWorkQueue(deps.clock, { observer: deps.observer?.queue?.(controller.name, deps.clock) });
  const followed = controller.follows === undefined ? undefined : follow(controller.follows, deps.informers, queue, log);
  const unsubscribe = controller.watches.map((watch) => subscribe(watch, deps.informers, queue, log));
  if (followed !== undefined) unsubscribe.push(followed.stop);
  const informers = [
    ...controller.watches.map(({ resource }): Pick<Informer<KubeObject>, 'untilSynced'> => deps.informers.informer(resource)),
    ...(followed?.atFirst ?? []),
  ];
  try {
    await Promise.all(informers.map((informer) => informer.untilSynced(signal)));
  } catch {
    for (const stop of unsubscribe) stop();
    return; // Aborted before the first list: nothing was begun.
  }
  const length = deps.concurrencyOf?.(controller) ?? controller.concurrency ?? 5;
  const workers = Array.from({ length }, () => work(controller, queue, deps, log, signal));
  const resync = resyncLoop(controller, deps, queue, signal);
  await untilAborted(signal);
  for (const stop of unsubscribe) stop();
  queue.shutDown();
  await Promise.all([...workers, resync]);
}

/** The types fit: objects come from the informer of the watch's own resource. */
const keysOf = (watch: ControllerWatch, object: KubeObject, previous: KubeObject | undefined, caches: Caches): Iterable<string> =>
  (watch as { keys(object: KubeObject, previous: KubeObject | undefined, caches: Caches): Iterable<string> }).keys(
    object,
    previous,
    caches,
  );

function subscribe(watch: ControllerWatch, informers: Informers, queue: WorkQueue, log: Logger): () => void {
  return enqueueChanges(
    watch.resource,
    informers.informer(watch.resource) as unknown as Informer<KubeObject>,
    (object, previous) => keysOf(watch, object, previous, informers),
    queue,
    log,
  );
}

function enqueueChanges(
  resource: string,
  informer: Informer<KubeObject>,
  keys: (object: KubeObject, previous: KubeObject | undefined) => Iterable<string>,
  queue: WorkQueue,
  log: Logger,
): () => void {
  const enqueue = (object: KubeObject, previous: KubeObject | undefined): void => {
    try {
      for (const key of keys(object, previous)) queue.add(key);
    } catch (error) {
      log.error({ err: error, resource, object: keyOf(object) }, 'mapping a change to keys failed');
    }
  };
  return informer.subscribe({
    added: (object) => enqueue(object, undefined),
    updated: (object, previous) => enqueue(object, previous),
    deleted: (object) => enqueue(object, undefined),
  });
}

/** Watches the resources of the catalog, as they come and go. `atFirst`: the informers of those that were there. */
function follow(
  { catalog, wants, keys, forget }: FollowedResources,
  informers: Informers,
  queue: WorkQueue,
  log: Logger,
): { atFirst: Informer<KubeObject>[]; stop: () => void } {
  const subscriptions = new Map<string, () => void>();
  const begin = (resource: Resource): Informer<KubeObject> => {
    const informer = informers.informerOf(resource);
    const keysOfChange = (object: KubeObject, previous: KubeObject | undefined): Iterable<string> =>
      keys(resource, object, previous, informers);
    subscriptions.set(resource.id, enqueueChanges(resource.id, informer, keysOfChange, queue, log));
    return informer;
  };
  const end = (resource: Resource): void => {
    subscriptions.get(resource.id)?.();
    if (!subscriptions.delete(resource.id)) return;
    forget(resource);
    informers.stop(resource);
  };
  const atFirst = catalog.all().filter(wants).map(begin);
  const unfollow = catalog.changed(({ kind, resource }) => {
    if (kind === 'removed') end(resource);
    else if (wants(resource)) begin(resource);
  });
  const stop = (): void => {
    unfollow();
    for (const unsubscribe of subscriptions.values()) unsubscribe();
  };
  return { atFirst, stop };
}

async function work(
  controller: Controller,
  queue: WorkQueue,
  deps: ControllerRunnerDeps,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const key = await queue.next();
    if (key === undefined) return;
    // After an abort the remaining keys are dropped: the next controller to run looks at every key anyway.
    if (!signal.aborted) await reconcileOnce(controller, key, queue, deps, log, signal);
    queue.done(key);
  }
}

async function reconcileOnce(
  controller: Controller,
  key: string,
  queue: WorkQueue,
  { clock, observer }: ControllerRunnerDeps,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const startMs = clock.monotonic();
  try {
    const result = await controller.reconcile(key, signal);
    queue.forget(key);
    if (result.kind === 'requeueAfter') queue.addAfter(key, result.delayMs);
    observer?.reconciled(controller.name, key, clock.monotonic() - startMs, undefined);
  } catch (error) {
    if (signal.aborted) return;
    observer?.reconciled(controller.name, key, clock.monotonic() - startMs, error);
    queue.addRateLimited(key);
    // Conflicts and dying namespaces are the ordinary course of optimistic concurrency.
    const level = isConflict(error) || isNamespaceTerminating(error) ? 'debug' : 'warn';
    log[level]({ err: error, key, failures: queue.failures(key) }, `reconcile of ${controller.name} ${key} failed; trying again`);
  }
}

async function resyncLoop(
  controller: Controller,
  { informers, clock }: ControllerRunnerDeps,
  queue: WorkQueue,
  signal: AbortSignal,
): Promise<void> {
  if (controller.resyncMs === undefined) return;
  while (!signal.aborted) {
    await sleep(clock, controller.resyncMs, signal);
    if (signal.aborted) return;
    for (const key of knownKeys(controller, informers)) queue.add(key);
  }
}

function knownKeys(controller: Controller, caches: Caches): Set<string> {
  const keys = new Set<string>();
  for (const watch of controller.watches) {
    for (const object of caches.cache(watch.resource).list() as KubeObject[]) {
      for (const key of keysOf(watch, object, undefined, caches)) keys.add(key);
    }
  }
  return keys;
}

/** A controller that has failed as a whole is restarted after this time. */
const restartMs = 5_000;

/**
 * Runs several controllers over the same informers until `signal` aborts. One that fails as a whole (a reconcile that fails is tried again by
 * {@link runController}) is begun anew a little later; the others do not notice.
 */
export async function runControllerSet(
  controllers: readonly Controller[],
  deps: ControllerRunnerDeps,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    controllers.map(async (controller) => {
      while (!signal.aborted) {
        // Ends what is left of it when a part of it has failed.
        const attempt = new AbortController();
        try {
          deps.observer?.running?.(controller.name, true);
          await runController(controller, deps, AbortSignal.any([signal, attempt.signal]));
        } catch (error) {
          deps.log.error({ err: error, controller: controller.name }, 'a controller failed; it begins anew');
          attempt.abort();
          await sleep(deps.clock, restartMs, signal);
        } finally {
          deps.observer?.running?.(controller.name, false);
        }
      }
    }),
  );
}
