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

/** What a request does. `connect`: exec, attach, portforward, and proxies to pods, services and nodes. */
export type Operation = 'create' | 'update' | 'delete' | 'connect';

/** What plugins know of a request. */
export interface AdmissionAttributes {
  readonly operation: Operation;
  /** The resource that the URL names. Of a subresource it is the resource that has it: `pods` for `pods/eviction`. */
  readonly resource: { readonly group: string; readonly version: string; readonly plural: string };
  /** Kind of the object that is sent: `Eviction` for `pods/eviction`, `Scale` for `deployments/scale`. */
  readonly kind: string;
  /** Empty: the object itself. */
  readonly subresource: string;
  /** Empty: cluster-scoped. */
  readonly namespace: string;
  /** Empty: there is none yet (a create with `generateName`), or it is one object of a DELETE of a collection. */
  readonly name: string;
  readonly user: UserInfo;
  /** Nothing will be stored, so a plugin must not store or reserve anything either. */
  readonly dryRun: boolean;
  /** The object that will be stored; undefined for deletes and connects. {@link AdmissionPlugin.mutate} changes it in place. */
  readonly object: KubeObject | undefined;
  /** The stored object; undefined for creates, connects, and deletes of a value that cannot be decoded. Never changed. */
  readonly oldObject: KubeObject | undefined;
  /** The options of a connect (`PodExecOptions` and others). Upstream passes these as the object. */
  readonly options: Readonly<Record<string, unknown>> | undefined;
}

/** What plugins may use besides the attributes. `read` and `list` give objects that are not older than any acknowledged write. */
export type AdmissionContext = Pick<RequestContext, 'clock' | 'warn' | 'annotate' | 'read' | 'list'>;

/** What a plugin has reserved for one write, until the write has ended. */
export interface Reservation {
  /** Called once, at the end of the write. @param isWritten false: it is certain that nothing was stored */
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
   * Changes `attributes.object` in place, before system fields, strategy and validation. Called again after a lost race, with other
   * attributes.
   * @throws ApiError to refuse, 403 as a rule
   */
  mutate?(attributes: AdmissionAttributes, context: AdmissionContext): void | Promise<void>;
  /** Whether its {@link mutate} let somebody outside this server change the object: then all plugins are asked once more. */
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

/** Upstream's refusal (`admission.NewForbidden`). Where a name is still to be generated, the text has its prefix. */
export function admissionForbidden({ resource, name, object }: AdmissionAttributes, why: string): ApiError {
  const { name: own, generateName } = object?.metadata ?? {};
  return forbidden({ group: resource.group, name: resource.plural }, name || own || generateName || 'Unknown', why);
}
