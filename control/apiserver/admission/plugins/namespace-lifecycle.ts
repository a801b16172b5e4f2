/**
 * NamespaceLifecycle: refuses creates in namespaces that do not exist or are being deleted, and refuses to delete the namespaces that a
 * cluster needs.
 *
 * Source: apiserver `pkg/admission/plugin/namespace/lifecycle`.
 */
import { ApiError, forbidden, notFound } from '#api/status.ts';
import type { Namespace } from '#api/types.generated.ts';
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden } from '../plugin.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);

/** Access reviews are always admitted, as they reveal nothing about the namespace. */
const isAccessReview = ({ resource }: AdmissionAttributes): boolean =>
  resource.group === 'authorization.k8s.io' && resource.plural === 'localsubjectaccessreviews';

const namespaces = { group: '', name: 'namespaces' };

/** @throws (when asked) ApiError 403, and 404 for a namespace that does not exist */
export const namespaceLifecycle = (): AdmissionPlugin => ({
  name: 'NamespaceLifecycle',
  handles: (operation) => operation !== 'connect',

  async mutate(attributes, context) {
    const { operation, resource, kind, namespace: name } = attributes;
    if (resource.group === '' && kind === 'Namespace') {
      if (operation === 'delete' && immortal.has(attributes.name))
        throw forbidden(namespaces, attributes.name, 'this namespace may not be deleted');
      return;
    }
    if (name === '' || operation === 'delete' || isAccessReview(attributes)) return;
    const namespace = (await context.read('namespaces', undefined, name)) as Namespace | undefined;
    if (namespace === undefined) throw notFound(namespaces, name);
    if (operation !== 'create' || namespace.status?.phase !== 'Terminating') return;
    const why = `unable to create new content in namespace ${name} because it is being terminated`;
    const error = admissionForbidden(attributes, why);
    const cause = {
      reason: 'NamespaceTerminating',
      message: `namespace ${name} is being terminated`,
      field: 'metadata.namespace',
    };
    throw new ApiError({ ...error.status, details: { ...error.status.details, causes: [cause] } });
  },
});
