/** A typed client of the Kubernetes API: what controllers, scheduler, kubelet and proxy speak to the server through. */
import type { JsonValue } from '#api/json.ts';
import type { KubeList, KubeObject, New, ObjectName, WatchEvent } from '#api/meta.ts';
import type { Resource, ResourceId, ResourceTypes } from '#api/resources.ts';
import type { Binding, DeleteOptions, Scale, TokenRequest } from '#api/types.generated.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';

export interface ListOptions {
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  limit?: number | undefined;
  continue?: string | undefined;
  resourceVersion?: string | undefined;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan' | undefined;
}

export interface WatchOptions {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  resourceVersion?: string | undefined;
  allowWatchBookmarks?: boolean | undefined;
  timeoutSeconds?: number | undefined;
}

export interface WriteOptions {
  fieldManager?: string | undefined;
  subresource?: string | undefined;
}

export type Patch =
  | { type: 'json'; body: JsonValue }
  | { type: 'merge'; body: JsonValue }
  | { type: 'strategic'; body: JsonValue }
  | { type: 'apply'; body: JsonValue; fieldManager: string; force?: boolean };

/** All methods reject with `ApiError` where the server answered with a Status. */
export interface ResourceClient<T extends KubeObject> {
  get(name: ObjectName): Promise<T>;
  /** One page when `limit` is set, else everything. Items carry `apiVersion` and `kind`. */
  list(options?: ListOptions, signal?: AbortSignal): Promise<KubeList<T>>;
  /**
   * Ends when the server closes the stream or `signal` aborts.
   * @throws ApiError (`isExpired`) when the resourceVersion is gone, also when that is told within the stream
   */
  watch(options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>>;
  /** The namespace is the object's own. */
  create(object: New<T>, options?: WriteOptions): Promise<T>;
  /** Replaces; a set `metadata.resourceVersion` must be current. */
  update(object: T, options?: WriteOptions): Promise<T>;
  updateStatus(object: T): Promise<T>;
  patch(name: ObjectName, patch: Patch, options?: WriteOptions): Promise<T>;
  /** What the server answers: the object as it now is when finalizers or a grace period keep it, else a Status. */
  delete(name: ObjectName, options?: Partial<DeleteOptions>): Promise<void>;
  deleteCollection(listOptions: ListOptions, options?: Partial<DeleteOptions>): Promise<void>;
}

export interface Client {
  /** A built-in resource. */
  resource<Id extends ResourceId>(id: Id): ResourceClient<ResourceTypes[Id]>;
  /** Any resource, by its row of a catalog: one that is only known at run time. */
  of(resource: Resource): ResourceClient<KubeObject>;
  /** `POST pods/binding`. */
  bind(binding: New<Binding>): Promise<void>;
  /** `POST serviceaccounts/token`. */
  createToken(serviceAccount: ObjectName, request: Pick<TokenRequest, 'spec'>): Promise<TokenRequest>;
  getScale(id: ResourceId, name: ObjectName): Promise<Scale>;
  /** Any other request, answered as bytes; for discovery, logs and kinds outside the table. */
  raw(request: TransportRequest): Promise<TransportResponse>;
}
