/** Subscribes to changes from now on. Objects that the informer has already, and objects that were created before, are skipped. */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import { creationMs } from '../creation-order.ts';
import type { MonitorDeps } from './monitor.ts';

/** Callbacks for objects of one resource. */
export interface NewsHandler<T extends KubeObject> {
  /** The object was created after the subscription. */
  added?(object: T): void;
  updated?(object: T, previous: T): void;
  deleted?(object: T): void;
}

/** Subscribes a handler. @returns a function that ends the subscription */
export function follow<Id extends ResourceId>(
  { informers, clock }: MonitorDeps,
  id: Id,
  handler: NewsHandler<ResourceTypes[Id]>,
): () => void {
  // Round down, because creation timestamps have whole seconds.
  const beginMs = Math.floor(clock.now() / 1000) * 1000;
  return informers.informer(id).subscribe({
    added: (object) => {
      if (creationMs(object as KubeObject) >= beginMs) handler.added?.(object as ResourceTypes[Id]);
    },
    updated: (object, previous) => handler.updated?.(object as ResourceTypes[Id], previous as ResourceTypes[Id]),
    deleted: (object) => handler.deleted?.(object as ResourceTypes[Id]),
  });
}
