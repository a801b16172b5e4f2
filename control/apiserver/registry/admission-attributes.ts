/**
 * The attributes of a write for admission plugins.
 *
 * Source: apiserver `pkg/admission/attributes.go`; `pkg/endpoints/handlers/{create,update,delete}.go` for the attributes of each verb.
 */
import type { KubeObject, ObjectName } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { AdmissionAttributes, Operation } from '../admission/plugin.ts';
import type { UpdateRequest, WriteContext } from './write-request.ts';

/** The attributes of a create. @param object plugins may change it */
export function createAttributes(resource: Resource, object: KubeObject, context: WriteContext): AdmissionAttributes {
  return attributesOf('create', resource, object.metadata, '', object, undefined, context);
}

/** The attributes of an update. Where the request has a view (`scale`), plugins get and change the views of both objects, not the objects. */
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

/** The attributes of a delete. @param old undefined: the stored value cannot be decoded */
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
