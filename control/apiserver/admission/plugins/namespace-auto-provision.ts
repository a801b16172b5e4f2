/**
 * NamespaceAutoProvision: creating an object in a missing namespace creates the namespace first. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/namespace/autoprovision`.
 */
import { errorText } from '#api/error-text.ts';
import { ApiError } from '#api/status.ts';
import type { Client } from '#client/client.ts';
import { type AdmissionPlugin, admissionForbidden } from '../plugin.ts';

/**
 * @param createNamespace as the API server itself; rejects with an ApiError @throws (when asked) ApiError 403 if the namespace cannot be
 * created
 */
export const namespaceAutoProvision = (createNamespace: (name: string) => Promise<void>): AdmissionPlugin => ({
  name: 'NamespaceAutoProvision',
  handles: (operation) => operation === 'create',

  async mutate(attributes, context) {
    const { namespace, kind, dryRun } = attributes;
    if (dryRun || namespace === '' || kind === 'Namespace') return;
    if ((await context.read('namespaces', undefined, namespace)) !== undefined) return;
    try {
      await createNamespace(namespace);
    } catch (error) {
      // It has been created meanwhile.
      if (error instanceof ApiError && error.status.reason === 'AlreadyExists') return;
      throw admissionForbidden(attributes, errorText(error));
    }
  },
});

/** Creates a namespace with this name. @param client of the API server itself @throws ApiError */
export async function createNamespace(client: Client, name: string): Promise<void> {
  await client.resource('namespaces').create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {} });
}
