/**
 * The form of a request for webhooks and policies: the field `request` of an AdmissionReview.
 *
 * Source: kubernetes `staging/src/k8s.io/api/admission/v1/types.go`; apiserver `pkg/admission/plugin/webhook/request/admissionreview.go`.
 */
import { apiVersionOf, type KubeObject } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { AdmissionAttributes } from './plugin.ts';

interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

interface GroupVersionResource {
  group: string;
  version: string;
  resource: string;
}

/** The field `request` of an AdmissionReview. It has the names of the JSON. */
export interface AdmissionRequest {
  uid: string;
  /** The kind of `object`, in the version of the matched rule. */
  kind: GroupVersionKind;
  resource: GroupVersionResource;
  subResource?: string;
  /** The kind of the original request, before conversion. */
  requestKind: GroupVersionKind;
  requestResource: GroupVersionResource;
  requestSubResource?: string;
  name?: string;
  namespace?: string;
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  userInfo: { username?: string; uid?: string; groups?: readonly string[]; extra?: Readonly<Record<string, readonly string[]>> };
  object: KubeObject | Readonly<Record<string, unknown>> | null;
  oldObject: KubeObject | null;
  dryRun: boolean;
  options: Readonly<Record<string, unknown>> | null;
}

/** The version of the objects. */
export interface Shown {
  resource: Pick<Resource, 'group' | 'version' | 'plural'>;
  kind: GroupVersionKind;
  convert(object: KubeObject): KubeObject;
}

const optionKinds = { create: 'CreateOptions', update: 'UpdateOptions', delete: 'DeleteOptions' } as const;

/** @param shown the version that the rule names; `attributes.resource` for the request's own */
export function admissionRequest(attributes: AdmissionAttributes, shown: Shown, uid: string): AdmissionRequest {
  const { operation, resource, subresource, name, object, oldObject, options, dryRun } = attributes;
  const namespace = namespaceOf(attributes);
  const parts = subresource === '' ? {} : { subResource: subresource, requestSubResource: subresource };
  return {
    uid,
    kind: shown.kind,
    resource: resourceOf(shown.resource),
    ...parts,
    requestKind: kindOf(attributes),
    requestResource: resourceOf(resource),
    ...(name === '' ? {} : { name }),
    ...(namespace === '' ? {} : { namespace }),
    operation: operation.toUpperCase() as AdmissionRequest['operation'],
    userInfo: userInfoOf(attributes.user),
    // For a connect, upstream passes the options as the object.
    object: operation === 'connect' ? (options ?? null) : object === undefined ? null : shown.convert(object),
    oldObject: oldObject === undefined ? null : shown.convert(oldObject),
    dryRun,
    options:
      operation === 'connect'
        ? null
        : { kind: optionKinds[operation], apiVersion: 'meta.k8s.io/v1', ...(dryRun ? { dryRun: ['All'] } : {}) },
  };
}

/** The namespace in the request: for a Namespace its own name. */
export function namespaceOf({ resource, namespace, name, object }: AdmissionAttributes): string {
  if (namespace !== '' || resource.group !== '' || resource.plural !== 'namespaces') return namespace;
  return name === '' ? (object?.metadata?.name ?? '') : name;
}

/** The kind of the object in the request, which may be of another group for a subresource. */
export function kindOf({ object, oldObject, kind, resource, options }: AdmissionAttributes): GroupVersionKind {
  const apiVersion = (object ?? oldObject)?.apiVersion ?? (options?.['apiVersion'] as string | undefined);
  const [group, version] = apiVersion === undefined ? [resource.group, resource.version] : splitApiVersion(apiVersion);
  return { group, version, kind };
}

function splitApiVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

const resourceOf = ({ group, version, plural }: Pick<Resource, 'group' | 'version' | 'plural'>): GroupVersionResource => ({
  group,
  version,
  resource: plural,
});

const userInfoOf = ({ name, uid, groups, extra }: UserInfo): AdmissionRequest['userInfo'] => ({
  username: name,
  ...(uid === undefined || uid === '' ? {} : { uid }),
  ...(groups.length === 0 ? {} : { groups }),
  ...(Object.keys(extra).length === 0 ? {} : { extra }),
});

/** Sets apiVersion and kind of the objects, as for clients. */
export const typed = (object: KubeObject, { group, version, kind }: GroupVersionKind): KubeObject => ({
  ...object,
  kind,
  apiVersion: apiVersionOf(group, version),
});
