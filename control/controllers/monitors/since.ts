/** Subscribes to what happens from now on: what an informer has already, and what was made before, is no news. */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import { creationMs } from '../creation-order.ts';
import type { MonitorDeps } from './monitor.ts';

/** What is done about objects of one resource. */
export interface NewsHandler<T extends KubeObject> {
  /** It has been made since. */
  added?(object: T): void;
  updated?(object: T, previous: T): void;
  deleted?(object: T): void;
}

/** @returns ends it */
export function follow<Id extends ResourceId>(
  { informers, clock }: MonitorDeps,
  id: Id,
  handler: NewsHandler<ResourceTypes[Id]>,
): () => void {
  // Times of creation have whole seconds.
  const beginMs = Math.floor(clock.now() / 1000) * 1000;
  return informers.informer(id).subscribe({
    added: (object) => {
      if (creationMs(object as KubeObject) >= beginMs) handler.added?.(object as ResourceTypes[Id]);
    },
    updated: (object, previous) => handler.updated?.(object as ResourceTypes[Id], previous as ResourceTypes[Id]),
    deleted: (object) => handler.deleted?.(object as ResourceTypes[Id]),
  });
}
