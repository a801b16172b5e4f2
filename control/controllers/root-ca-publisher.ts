/**
 * Root CA certificate publisher: writes the ConfigMap `kube-root-ca.crt` into every namespace. Pods verify the API server's
 * certificate with it.
 *
 * Owns: ConfigMap kube-root-ca.crt.  Watches: Namespace, ConfigMap.  Writes: ConfigMap.
 * Source: kubernetes `pkg/controller/certificates/rootcacertpublisher`.
 */
import { sameJson } from '#api/meta.ts';
import { isAlreadyExists, isNamespaceTerminating } from '#api/status.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';

const name = 'kube-root-ca.crt';
const annotations = {
  'kubernetes.io/description':
    'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. ' +
    'No other usage is guaranteed across distributions of Kubernetes clusters.',
};

/** Makes the publisher. @param rootCaPem the CA certificate in PEM */
export const rootCaPublisher = ({ client, caches }: ControllerDeps, rootCaPem: string): Controller => ({
  name: 'root-ca-certificate-publisher',
  watches: [
    own('namespaces'),
    { resource: 'configmaps', keys: ({ metadata }) => (metadata.name === name ? [metadata.namespace ?? ''] : []) },
  ],

  async reconcile(namespace) {
    const found = caches.cache('namespaces').get(namespace);
    if (found === undefined || found.status?.phase === 'Terminating') return done;
    const data = { 'ca.crt': rootCaPem };
    const present = caches.cache('configmaps').get(`${namespace}/${name}`);
    try {
      if (present === undefined) {
        await client
          .resource('configmaps')
          .create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, annotations }, data });
      } else if (!sameJson(present.data, data)) {
        await client.resource('configmaps').update({
          ...present,
          metadata: { ...present.metadata, annotations: { ...present.metadata.annotations, ...annotations } },
          data,
        });
      }
    } catch (error) {
      // Another client has created it meanwhile. The event of that creation queues the key again.
      if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
    }
    return done;
  },
});
