/** The variable `namespaceObject`. Source: apiserver `pkg/admission/plugin/cel/condition.go` (CreateNamespaceObject). */
import type { KubeObject } from '#api/meta.ts';
import { notFound } from '#api/status.ts';
import type { Namespace } from '#api/types.generated.ts';
import type { AdmissionAttributes, AdmissionContext } from '../plugin.ts';

const seen = new WeakMap<KubeObject, object>();

/** What expressions see of the request's namespace; null for what is in none. @throws ApiError 404 */
export async function namespaceObject(
  { namespace }: Pick<AdmissionAttributes, 'namespace'>,
  { read }: Pick<AdmissionContext, 'read'>,
): Promise<object | null> {
  if (namespace === '') return null;
  const found = await read('namespaces', undefined, namespace);
  if (found === undefined) throw notFound({ group: '', name: 'namespaces' }, namespace);
  const known = seen.get(found);
  if (known !== undefined) return known;
  const shown = withoutOwners(found as Namespace);
  seen.set(found, shown);
  return shown;
}

function withoutOwners({ metadata, spec, status }: Namespace): object {
  const { managedFields: _fields, ownerReferences: _owners, ...rest } = metadata;
  return { metadata: rest, spec: spec ?? {}, status: status ?? {} };
}
