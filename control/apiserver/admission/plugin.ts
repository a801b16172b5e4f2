/**
 * Admission plugins: each can change or refuse a request before an object is stored, deleted or connected to.
 *
 * Source: apiserver `pkg/admission/interfaces.go`, `attributes.go`, `errors.go`; kubernetes.io, Admission Control in Kubernetes.
 */
import type { KubeObject } from '#api/meta.ts';
import type { ObjectsOf } from '#api/quota/usage.ts';
import { type ApiError, forbidden } from '#api/status.ts';
import type { ResourceQuota, ResourceQuotaStatus } from '#api/types.generated.ts';
import type { RequestContext, UserInfo } from '../registry/strategy.ts';

/** The operation of a request. `connect`: exec, attach, portforward, and proxies to pods, services and nodes. */
export type Operation = 'create' | 'update' | 'delete' | 'connect';

/** The attributes of a request for plugins. */
export interface AdmissionAttributes {
  readonly operation: Operation;
  /** The resource in the URL, without the subresource: `pods` for `pods/eviction`. */
  readonly resource: { readonly group: string; readonly version: string; readonly plural: string };
  /** The kind of the object in the request: `Eviction` for `pods/eviction`, `Scale` for `deployments/scale`. */
  readonly kind: string;
  /** Empty: no subresource. */
  readonly subresource: string;
  /** Empty: cluster-scoped. */
  readonly namespace: string;
  /** Empty for a create with `generateName`, and for an object of a deleted collection. */
  readonly name: string;
  readonly user: UserInfo;
  /** On a dry run nothing is stored, so a plugin must not store or reserve anything either. */
  readonly dryRun: boolean;
  /** The object that will be stored; undefined for deletes and connects. {@link AdmissionPlugin.mutate} changes it in place. */
  readonly object: KubeObject | undefined;
  /** The stored object; undefined for creates, connects, and deletes of a value that cannot be decoded. Never changed. */
  readonly oldObject: KubeObject | undefined;
  /** The options of a connect (`PodExecOptions` and others). Upstream passes these as the object. */
  readonly options: Readonly<Record<string, unknown>> | undefined;
}

/** What plugins may use besides the attributes. `read` and `list` return objects not older than any acknowledged write. */
export type AdmissionContext = Pick<RequestContext, 'clock' | 'warn' | 'annotate' | 'read' | 'list'>;

/** The reservation of a plugin for one write, until the write has ended. */
export interface Reservation {
  /** Called once, after the write. @param isWritten false only if it is certain that nothing was stored */
  settle(isWritten: boolean): void;
}

/** The stored quotas, for the plugin ResourceQuota. */
export interface QuotaStore {
  /** The quotas of a namespace, at least as new as the beginning of the request. Shared: never change them. */
  list(namespace: string): ResourceQuota[];
  /**
   * Stores the quota with this status, unless the stored quota has changed. The write itself is not admitted.
   * @returns the new resourceVersion; undefined: the stored quota had changed. In both cases the caches then have the newest one
   * @throws StoreError
   */
  write(quota: ResourceQuota, status: ResourceQuotaStatus): Promise<string | undefined>;
  /** The objects of a namespace, not older than any acknowledged write. */
  objectsOf(namespace: string): Promise<ObjectsOf>;
}

/** One admission plugin. It serves many requests at the same time, so it keeps no state of a request besides its reservations. */
export interface AdmissionPlugin {
  /** Upstream's name, as in `--enable-admission-plugins`. */
  readonly name: string;
  /** Whether it is called for such requests. */
  handles(operation: Operation): boolean;
  /**
   * Changes `attributes.object` in place, before system fields, strategy and validation. Called again after a conflict, with new
   * attributes.
   * @throws ApiError to refuse, 403 as a rule
   */
  mutate?(attributes: AdmissionAttributes, context: AdmissionContext): void | Promise<void>;
  /** Whether a webhook or policy changed the object in its {@link mutate}: then all plugins are called again. */
  changedByOthers?(attributes: AdmissionAttributes): boolean;
  /**
   * Checks the object that will be stored, after all validation has passed. Changes nothing.
   * @throws ApiError to refuse, 403 as a rule
   */
  validate?(attributes: AdmissionAttributes, context: AdmissionContext): void | Promise<void>;
  /**
   * Reserves what the write uses, so that no other write uses it, too. Called last, just before the object is stored; not on a dry run.
   * Undefined: nothing was reserved.
   * @throws ApiError to refuse, 403 as a rule @throws StoreError
   */
  reserve?(attributes: AdmissionAttributes, context: AdmissionContext, quotas: QuotaStore): Promise<Reservation | undefined>;
}

/** Whether the request is for objects of this resource, or for the named subresource of them. */
export function concerns({ resource, subresource }: AdmissionAttributes, group: string, plural: string, of = ''): boolean {
  return resource.group === group && resource.plural === plural && subresource === of;
}

/** Upstream's refusal (`admission.NewForbidden`). If the name is not generated yet, the text has its prefix. */
export function admissionForbidden({ resource, name, object }: AdmissionAttributes, why: string): ApiError {
  const { name: own, generateName } = object?.metadata ?? {};
  return forbidden({ group: resource.group, name: resource.plural }, name || own || generateName || 'Unknown', why);
}
