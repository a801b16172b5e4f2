/**
 * What an admission plugin is: the last word on a request before something is stored, deleted or connected to.
 *
 * Source: apiserver `pkg/admission/interfaces.go`, `attributes.go`, `errors.go`; kubernetes.io, Admission Control in Kubernetes.
 */
import type { KubeObject } from '#api/meta.ts';
import type { ObjectsOf } from '#api/quota/usage.ts';
import { type ApiError, forbidden } from '#api/status.ts';
import type { ResourceQuota, ResourceQuotaStatus } from '#api/types.generated.ts';
import type { RequestContext, UserInfo } from '../registry/strategy.ts';

/** What a request is about to do. `connect`: exec, attach, portforward, and proxies to pods, services and nodes. */
export type Operation = 'create' | 'update' | 'delete' | 'connect';

/** What plugins are told of a request. */
export interface AdmissionAttributes {
  readonly operation: Operation;
  /** The resource that the URL names. Of a subresource it is the resource that has it: `pods` for `pods/eviction`. */
  readonly resource: { readonly group: string; readonly version: string; readonly plural: string };
  /** Kind of the object that is sent: `Eviction` for `pods/eviction`, `Scale` for `deployments/scale`. */
  readonly kind: string;
  /** '': the object itself. */
  readonly subresource: string;
  /** '': cluster-scoped. */
  readonly namespace: string;
  /** '' where there is none: a create with `generateName`, and each object of a deleted collection. */
  readonly name: string;
  readonly user: UserInfo;
  /** Nothing will be stored: a plugin may then do nothing that lasts. */
  readonly dryRun: boolean;
  /** As it will be stored; undefined for deletes and connects. {@link AdmissionPlugin.mutate} changes it in place. */
  readonly object: KubeObject | undefined;
  /** As it is stored; undefined for creates and connects, and for a delete of a value that nobody can read. Never changed. */
  readonly oldObject: KubeObject | undefined;
  /** Of a connect: what it asks for (`PodExecOptions` and the like). Upstream gives these as the object. */
  readonly options: Readonly<Record<string, unknown>> | undefined;
}

/** What plugins may use besides the attributes. `read` and `list` give objects that are not older than any acknowledged write. */
export type AdmissionContext = Pick<RequestContext, 'clock' | 'warn' | 'read' | 'list'>;

/** What a plugin holds for one write, until the write has ended. */
export interface Reservation {
  /** Called once. @param isWritten false: nothing was stored, and nothing ever will be */
  settle(isWritten: boolean): void;
}

/** The quotas in the store, as the registry gives them to the plugin ResourceQuota. */
export interface QuotaStore {
  /** Those of a namespace, at least as new as the beginning of the request. Shared: never change them. */
  list(namespace: string): ResourceQuota[];
  /**
   * Stores the quota with this status, if the stored one is still the given one. The write is not admitted.
   * @returns the new resourceVersion, which the caches have then; undefined: somebody else has written it, and the caches have that
   * @throws StoreError
   */
  write(quota: ResourceQuota, status: ResourceQuotaStatus): Promise<string | undefined>;
  /** The objects of a namespace, not older than any acknowledged write. */
  objectsOf(namespace: string): Promise<ObjectsOf>;
}

/** One admission plugin. Many requests run at the same time, and it keeps no state of them but what {@link reserve} holds. */
export interface AdmissionPlugin {
  /** Upstream's name, as in `--enable-admission-plugins`. */
  readonly name: string;
  /** Whether it is asked about such requests at all. */
  handles(operation: Operation): boolean;
  /**
   * Changes `attributes.object` in place, before system fields, strategy and validation; after a lost race it is asked again.
   * @throws ApiError to refuse, 403 as a rule
   */
  mutate?(attributes: AdmissionAttributes, context: AdmissionContext): void | Promise<void>;
  /**
   * Looks at what will be stored when all validation has passed, and changes nothing.
   * @throws ApiError to refuse, 403 as a rule
   */
  validate?(attributes: AdmissionAttributes, context: AdmissionContext): void | Promise<void>;
  /**
   * Takes for a write what others must not take, too; asked last of all, just before the object is stored. Nothing is taken on a dry run.
   * Undefined: nothing was taken.
   * @throws ApiError to refuse, 403 as a rule @throws StoreError
   */
  reserve?(attributes: AdmissionAttributes, context: AdmissionContext, quotas: QuotaStore): Promise<Reservation | undefined>;
}

/** Whether the request is about objects of this kind themselves, or about the named subresource of them. */
export function concerns({ resource, subresource }: AdmissionAttributes, group: string, plural: string, of = ''): boolean {
  return resource.group === group && resource.plural === plural && subresource === of;
}

/** Upstream's refusal (`admission.NewForbidden`). A name that is still to be generated is told by its beginning. */
export function admissionForbidden({ resource, name, object }: AdmissionAttributes, why: string): ApiError {
  const { name: own, generateName } = object?.metadata ?? {};
  return forbidden({ group: resource.group, name: resource.plural }, name || own || generateName || 'Unknown', why);
}
