/**
 * ServiceAccount controller: creates the service account `default` in every namespace.
 *
 * Owns: ServiceAccount default.  Watches: Namespace, ServiceAccount.  Writes: ServiceAccount.
 * Source: kubernetes `pkg/controller/serviceaccount/serviceaccounts_controller.go`.
 */
import { isAlreadyExists, isNamespaceTerminating } from '#api/status.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';

const name = 'default';

/** Makes the ServiceAccount controller. */
export const serviceAccountController = ({ client, caches }: ControllerDeps): Controller => ({
  name: 'serviceaccount',
  watches: [
    own('namespaces'),
    { resource: 'serviceaccounts', keys: ({ metadata }) => (metadata.name === name ? [metadata.namespace ?? ''] : []) },
  ],

  async reconcile(namespace) {
    const found = caches.cache('namespaces').get(namespace);
    if (found === undefined || found.status?.phase === 'Terminating') return done;
    if (caches.cache('serviceaccounts').get(`${namespace}/${name}`) !== undefined) return done;
    try {
      await client
        .resource('serviceaccounts')
        .create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
    } catch (error) {
      if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
    }
    return done;
  },
});
