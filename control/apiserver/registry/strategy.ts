/**
 * What is special to one kind. The generic registry (registry.ts) serves every kind alike; a kind's file in `kinds/`
 * holds a Strategy with only what differs.
 *
 * Order on create: decode → defaults → admission (mutate) → checkWriter → system fields → prepareForCreate → validate → admission (validate) → allocate →
 * store. Admission is not of a kind: see admission/plugin.ts.
 * Source: apiserver `pkg/registry/rest/{create,update,delete}.go`.
 */
import type { Check, FieldError } from '#api/field-error.ts';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import type { DeleteOptions } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { ResetFields } from '../patch/patch.ts';

/** Who sends a request, as authentication found it (client certificate or token). Source: apiserver `pkg/authentication/user`. */
export interface UserInfo {
  /** `jane`, `system:node:n1`, `system:serviceaccount:<namespace>:<name>`. */
  name: string;
  /** Of a service account: the object's UID. */
  uid?: string | undefined;
  groups: readonly string[];
  /** What else the credentials say, by key (`authentication.kubernetes.io/pod-name`). */
  extra: Readonly<Record<string, readonly string[]>>;
}

/** What a strategy and admission know of the request that they serve. */
export interface RequestContext {
  user: UserInfo;
  clock: Clock;
  /** Adds a `Warning:` header to the answer (kubectl prints it). */
  warn(message: string): void;
  /**
   * Adds an annotation to the audit event of the request. Of two values for one key the first stays.
   * @param isContent it shows a part of the object: only for events that have objects (level Request)
   */
  annotate(key: string, value: string, isContent?: boolean): void;
  /**
   * Reads another stored object, never older than a write acknowledged before; undefined where it does not exist. Shared: never change it.
   * @throws ApiError 500 when the stored value cannot be read
   */
  read(resource: ResourceId | Resource, namespace: string | undefined, name: string): Promise<KubeObject | undefined>;
  /**
   * Lists other stored objects, for admission checks: those of one namespace or of all (undefined), sorted by namespace and name. Like
   * {@link read} they are not older than any acknowledged write. Stored values that cannot be decoded are left out.
   */
  list(resource: ResourceId | Resource, namespace?: string): Promise<readonly KubeObject[]>;
}

/** The part of an object that a write may change: '' for all but status, else the name of a subresource (`status`). */
export type UpdatedPart = string;

/** What a delete request does to an object next. */
export type DeletionStep =
  /** Remove it from the store now. */
  | { kind: 'remove' }
  /** Store `object` (marked as being deleted); `thenRemove` when nothing holds it back. */
  | { kind: 'mark'; object: KubeObject; thenRemove: boolean }
  /** It is being deleted already, and this request changes nothing about that; answer with the object as it is. */
  | { kind: 'pending' };

/** The stored objects of a kind, read after the call that asks for them. */
export interface StoredObjects<T> {
  objects: readonly T[];
  /** False: there are stored values that cannot be decoded, so what they hold is unknown. */
  complete: boolean;
}

/**
 * What is special to one kind. Everything is optional but `validate`; the defaults are those of upstream's generic store. Methods run in the
 * order told above. None keeps the objects that it is given.
 */
export interface Strategy<T extends KubeObject = KubeObject> {
  /** Fills in what the API promises for absent fields (upstream's SetDefaults_*), in place. Also run on objects read from old stores. */
  setDefaults?(object: T): void;
  /** Clears what clients may not set (status), sets generation. In place. */
  prepareForCreate?(object: T, context: RequestContext): void;
  /**
   * Checks that this user may write this object, where authorization cannot decide that from the request alone. Called after admission has
   * changed the object and before validation; not for subresources. @throws ApiError 403
   */
  checkWriter?(object: T, old: T | undefined, context: RequestContext): Promise<void>;
  /**
   * Keeps what this endpoint may not change (status on the main resource; all but status on `/status`); raises generation on a spec change.
   */
  prepareForUpdate?(object: T, old: T, context: RequestContext, subresource: UpdatedPart): void;
  /** All problems of a new object, in the order of upstream's messages; empty: it is valid. */
  validate(object: T): FieldError[];
  /** The same for an update, with what may not change. Absent: {@link validate}. */
  validateUpdate?(object: T, old: T, subresource: UpdatedPart): FieldError[];
  /**
   * The steps of the validation, in order: of {@link validate} if there is no old object, else of {@link validateUpdate}. For a
   * large object the registry serves other requests between them. Absent: the validation is one step.
   */
  checks?(object: T, old: T | undefined, subresource: UpdatedPart): readonly Check[];
  /** Texts for `Warning:` headers about a valid object. @param old undefined: it is new */
  warnings?(object: T, old: T | undefined): string[];
  /**
   * Allocates limited resources (cluster IPs, node ports) just before the write. Returns an undo, which runs if the write fails and never
   * rejects. On a dry run nothing is allocated. @throws ApiError when nothing is free @throws StoreError
   */
  allocate?(object: T, old: T | undefined, dryRun: boolean): Promise<() => Promise<void>>;
  /** Releases what `old` held and `object` does not hold any more, after the update was written at `revision`. Never rejects. */
  committed?(object: T, old: T, revision: number): Promise<void>;
  /** Releases everything that the object held, after it was removed from the store at `revision`. Never rejects. */
  release?(object: T, revision: number): Promise<void>;
  /** Whether PUT may create (true upstream for few kinds: Lease, Event, Endpoints, Service, ConfigMap…: see AllowCreateOnUpdate). */
  allowCreateOnUpdate?: boolean;
  /** Whether PUT without resourceVersion overwrites (AllowUnconditionalUpdate). Default true. */
  allowUnconditionalUpdate?: boolean;
  /** The grace period that a delete really gets, in seconds (pods: 0 when unscheduled or finished); absent: no grace for this kind. */
  gracePeriodSeconds?(object: T, requested: number | undefined): number;
  /** Default propagation of deletes. Default `Background`. */
  defaultPropagation?: 'Background' | 'Orphan';
  /** Texts for `Warning:` headers about a delete, of one object or of a collection. */
  deleteWarnings?(options: Partial<DeleteOptions>): string[];
  /** The next step of a delete request where this kind has rules of its own; undefined: the generic rules (`deletion.ts`). Pure. */
  planDeletion?(object: T, options: Partial<DeleteOptions>, nowMs: number): DeletionStep | undefined;
  /** Whether an update that leaves no `metadata.finalizers` removes an object that is being deleted. Default: it does. */
  mayRemove?(object: T): boolean;
  /** Objects vanish by themselves this long after they were last written, in seconds. Absent: never. */
  ttlSeconds?: number;
  /**
   * Compares what is allocated with what stored objects hold, and repairs a difference (after a crash between two writes). Called before the
   * first write of this kind, and every three minutes. @throws StoreError
   */
  repair?(stored: () => Promise<StoredObjects<T>>): Promise<void>;
  /**
   * What fieldSelector may name besides metadata.name and metadata.namespace. Absent: nothing, and errors say so in the words of kinds
   * without a conversion function of their own (kubernetes `pkg/apis/<group>/v1/conversion.go`).
   */
  selectableFields?: readonly string[];
  /** The error text for another field, for kinds whose text differs from that of most kinds. */
  unknownField?(field: string): string;
  /** The values of {@link selectableFields}; there may be more. */
  fields?(object: T): Record<string, string>;
  /**
   * What a write to an endpoint never owns in managedFields, by subresource ('' for the object itself), where the kind differs from most: they
   * reset `status` at the object and `spec` at `/status`. Plain data: it is sent to the decoding thread.
   */
  resetFields?: Readonly<Record<string, ResetFields>>;
  /** Values of `kubectl get` columns; see table.ts. */
  table?: TableColumns<T>;
}

/** One column of `kubectl get`. Source: apimachinery `pkg/apis/meta/v1` (TableColumnDefinition). */
export interface TableColumn {
  name: string;
  type: 'string' | 'integer' | 'boolean' | 'date';
  format: string;
  description: string;
  /** 0: always shown; 1: with `-o wide`. */
  priority: number;
}

/** How a kind is shown by `kubectl get`. */
export interface TableColumns<T> {
  columns: readonly TableColumn[];
  /** The row of an object: one value for each column, in their order. */
  cells(object: T, nowMs: number): (string | number | boolean | null | JsonObject)[];
  /** The order of a list's rows, where it is not that of the list. */
  compare?(a: T, b: T): number;
}
