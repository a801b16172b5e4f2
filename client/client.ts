/** A typed client of the Kubernetes API: what controllers, scheduler, kubelet and proxy speak to the server through. */
import type { JsonValue } from '#api/json.ts';
import type { KubeList, KubeObject, New, ObjectName, WatchEvent } from '#api/meta.ts';
import type { Resource, ResourceId, ResourceTypes } from '#api/resources.ts';
import type {
  Binding,
  DeleteOptions,
  Scale,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
  TokenRequest,
  TokenReviewSpec,
  TokenReviewStatus,
} from '#api/types.generated.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';

/** The query of a list. Source: apimachinery `pkg/apis/meta/v1` (ListOptions). */
export interface ListOptions {
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** At most so many items; the answer's `metadata.continue` leads to the next ones. */
  limit?: number | undefined;
  continue?: string | undefined;
  resourceVersion?: string | undefined;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan' | undefined;
  /** The objects may be the server's own, where it runs in the same process: the caller never changes them. Default false. */
  shared?: boolean | undefined;
}

/** The query of a watch. */
export interface WatchOptions {
  /** Absent: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** The watch begins with the changes after this revision; absent: with an `ADDED` event for each existing object. */
  resourceVersion?: string | undefined;
  allowWatchBookmarks?: boolean | undefined;
  /** The server closes the stream after this time. */
  timeoutSeconds?: number | undefined;
  /** As in {@link ListOptions}. */
  shared?: boolean | undefined;
}

/** Options of a write. */
export interface WriteOptions {
  /** Under which name managedFields record the write. Absent: the server takes it from the user agent. */
  fieldManager?: string | undefined;
  /** `status`, `scale`, …; absent: the object itself. */
  subresource?: string | undefined;
}

/** A patch in one of the four formats. `apply` (server-side apply) names its field manager, and takes fields of others with `force`. */
export type Patch =
  | { type: 'json'; body: JsonValue }
  | { type: 'merge'; body: JsonValue }
  | { type: 'strategic'; body: JsonValue }
  | { type: 'apply'; body: JsonValue; fieldManager: string; force?: boolean };

/**
 * Requests for objects of one resource. All methods reject with `ApiError` where the server answered with an error, and with the
 * transport's error where it cannot be reached. Requests that the server asks to repeat later are repeated (`retry-after.ts`).
 */
export interface ResourceClient<T extends KubeObject> {
  /** @throws ApiError (`isNotFound`) when there is none */
  get(name: ObjectName): Promise<T>;
  /** One page when `limit` is set, else everything. Items carry `apiVersion` and `kind`. */
  list(options?: ListOptions, signal?: AbortSignal): Promise<KubeList<T>>;
  /**
   * Ends when the server closes the stream or `signal` aborts.
   * @throws ApiError (`isExpired`) when the resourceVersion is too old, also if that is reported within the stream
   */
  watch(options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>>;
  /** Creates in the object's own namespace. @returns the object as it is stored @throws ApiError (`isAlreadyExists`) when the name is taken */
  create(object: New<T>, options?: WriteOptions): Promise<T>;
  /** Replaces. @throws ApiError (`isConflict`) when `metadata.resourceVersion` is set and not the stored one */
  update(object: T, options?: WriteOptions): Promise<T>;
  /** Replaces `status` alone. @throws ApiError as {@link update} */
  updateStatus(object: T): Promise<T>;
  /** @returns the object as it is stored after the patch */
  patch(name: ObjectName, patch: Patch, options?: WriteOptions): Promise<T>;
  /** Resolves when the server has accepted it; finalizers or a grace period may keep the object for a while. @throws ApiError (`isNotFound`) */
  delete(name: ObjectName, options?: Partial<DeleteOptions>): Promise<void>;
  /** Deletes all objects that match. @throws ApiError */
  deleteCollection(listOptions: ListOptions, options?: Partial<DeleteOptions>): Promise<void>;
}

/** One component's client. Source: client-go `kubernetes.Clientset`, for the division by resource. */
export interface Client {
  /** A built-in resource. */
  resource<Id extends ResourceId>(id: Id): ResourceClient<ResourceTypes[Id]>;
  /** Any resource, by its row of a catalog: one that is only known at run time. */
  of(resource: Resource): ResourceClient<KubeObject>;
  /** Assigns a pod to a node: `POST pods/binding`. @throws ApiError (`isConflict`) when it has a node already */
  bind(binding: New<Binding>): Promise<void>;
  /** Issues a token of a service account: `POST serviceaccounts/token`. @throws ApiError */
  createToken(serviceAccount: ObjectName, request: Pick<TokenRequest, 'spec'>): Promise<TokenRequest>;
  /** Checks a user's permission: `POST subjectaccessreviews`. @throws ApiError */
  reviewAccess(spec: SubjectAccessReviewSpec): Promise<SubjectAccessReviewStatus>;
  /** Asks whose a token is: `POST tokenreviews`. @throws ApiError */
  reviewToken(spec: TokenReviewSpec): Promise<TokenReviewStatus>;
  /** `GET <resource>/scale`, of a built-in resource or of any row of a catalog. @throws ApiError */
  getScale(resource: ResourceId | Resource, name: ObjectName): Promise<Scale>;
  /** Any other request, answered as bytes; for discovery, logs and kinds outside the table. */
  raw(request: TransportRequest): Promise<TransportResponse>;
}
