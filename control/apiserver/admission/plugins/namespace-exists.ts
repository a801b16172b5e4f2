/**
 * NamespaceExists: refuses writes in namespaces that do not exist. Off by default; NamespaceLifecycle does the same.
 *
 * Source: upstream `plugin/pkg/admission/namespace/exists`.
 */
import { notFound } from '#api/status.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** The plugin; see the top of this file. */
export const namespaceExists = (): AdmissionPlugin => ({
  name: 'NamespaceExists',
  handles: (operation) => operation !== 'connect',

  async validate({ namespace, kind }, context) {
    if (namespace === '' || kind === 'Namespace') return;
    const found = await context.read('namespaces', undefined, namespace);
    if (found === undefined) throw notFound({ group: '', name: 'namespaces' }, namespace);
  },
});
