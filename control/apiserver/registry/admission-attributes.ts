/**
 * What the registry tells admission plugins of a write.
 *
 * Source: apiserver `pkg/admission/attributes.go`; `pkg/endpoints/handlers/{create,update,delete}.go` for what is told of which verb.
 */
import type { KubeObject, ObjectName } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { AdmissionAttributes, Operation } from '../admission/plugin.ts';
import type { UpdateRequest, WriteContext } from './write-request.ts';

/** @param object may be changed by the plugins that are told of it */
export function createAttributes(resource: Resource, object: KubeObject, context: WriteContext): AdmissionAttributes {
  return attributesOf('create', resource, object.metadata, '', object, undefined, context);
}

/** Of both objects the view, where the request has one: then the plugins change a view of `object` and not the object. */
export function updateAttributes(
  resource: Resource,
  object: KubeObject,
  old: KubeObject,
  { subresource, view }: UpdateRequest,
  context: WriteContext,
): AdmissionAttributes {
  const [seen, seenOld] = view === undefined ? [object, old] : [view.of(object), view.of(old)];
  return attributesOf('update', resource, old.metadata, subresource, seen, seenOld, context);
}

/** @param old undefined: it is stored, but cannot be read */
export function deleteAttributes(
  resource: Resource,
  { name, namespace }: ObjectName,
  old: KubeObject | undefined,
  context: WriteContext,
): AdmissionAttributes {
  const told = { name: context.ofCollection === true ? '' : name, namespace };
  return attributesOf('delete', resource, told, '', undefined, old, context);
}

function attributesOf(
  operation: Operation,
  resource: Resource,
  { name, namespace }: Partial<ObjectName>,
  subresource: string,
  object: KubeObject | undefined,
  oldObject: KubeObject | undefined,
  { user, dryRun }: WriteContext,
): AdmissionAttributes {
  return {
    operation,
    resource,
    kind: object?.kind ?? resource.kind,
    subresource,
    namespace: resource.namespaced ? (namespace ?? '') : '',
    name: name ?? '',
    user,
    dryRun,
    object,
    oldObject,
    options: undefined,
  };
}
