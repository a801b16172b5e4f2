/**
 * What a controller is: a name, what it watches (and to which keys a change maps), and a reconcile that looks at the
 * whole state of one key. The runner (controller-runner.ts) gives it informers, a work queue and workers.
 */

import type { Logger } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource, ResourceId, ResourceTypes } from '#api/resources.ts';
import type { Client } from './client.ts';
import type { Clock } from './clock.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { Cache } from './informer.ts';
import type { LeftOutReporter } from './left-out.ts';

/** `done`, or look at the key again after a time even if nothing changes. An exception means: again, with back-off. */
export type ReconcileResult = { kind: 'done' } | { kind: 'requeueAfter'; delayMs: number };
/** Nothing more to do until something changes. */
export const done: ReconcileResult = { kind: 'done' };
/** Look at the key again after this time, in milliseconds. */
export const requeueAfter = (delayMs: number): ReconcileResult => ({ kind: 'requeueAfter', delayMs });

/** A watched resource and the keys of the controller that a change of one of its objects concerns. */
export interface WatchOf<Id extends ResourceId> {
  resource: Id;
  /** Called with the new object (and the old one, on an update); on deletion with the last known state. */
  keys(object: ResourceTypes[Id], previous: ResourceTypes[Id] | undefined, caches: Caches): Iterable<string>;
}

/** `keys` gets objects of the very type that `resource` names. */
export type ControllerWatch = { [Id in ResourceId]: WatchOf<Id> }[ResourceId];

/** The shared informers' caches. */
export interface Caches {
  cache<Id extends ResourceId>(id: Id): Cache<ResourceTypes[Id]>;
  /** The same for a row of a catalog; what is built in shares its cache with {@link cache}. */
  cacheOf(resource: Resource): Cache<KubeObject>;
}

/** All resources of a catalog that a controller wants to see, also those that come later. */
export interface FollowedResources {
  catalog: ResourceCatalog;
  wants(resource: Resource): boolean;
  /** As {@link WatchOf.keys}. */
  keys(resource: Resource, object: KubeObject, previous: KubeObject | undefined, caches: Caches): Iterable<string>;
  /** The resource has left the catalog, and its cache is gone: the controller must not ask for it any more. */
  forget(resource: Resource): void;
}

/** The dependencies of controllers. */
export interface ControllerDeps {
  client: Client;
  /** Which resources there are. */
  catalog: ResourceCatalog;
  caches: Caches;
  clock: Clock;
  events: EventRecorder;
  /** Told of objects that a controller cannot use and leaves out. */
  leftOut: LeftOutReporter;
  log: Logger;
}

/** One controller. Source: controller-runtime `pkg/reconcile`. */
export interface Controller {
  name: string;
  watches: readonly ControllerWatch[];
  follows?: FollowedResources;
  /** Keys worked on at once; one key never twice. Default 5. */
  concurrency?: number;
  /** Every known key is also reconciled at this interval. */
  resyncMs?: number;
  reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult>;
}
