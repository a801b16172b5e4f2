/**
 * `tinker agent --join`: makes a machine a node. It needs only the API server's address, a bootstrap token and the hash of the cluster's
 * CA.
 *
 * Source: kubeadm `app/cmd/join.go`, `app/cmd/phases/join/kubelet.go`.
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '#agent/host/make-folder.ts';
import { errorText } from '#api/error-text.ts';
import { isNodeReady } from '#api/node-conditions.ts';
import { ApiError, isNotFound } from '#api/status.ts';
import { createHttpTransport } from '#client/http-transport.ts';
import { kubeconfigText, type LoadedKubeconfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { type BootstrapDeps, type BootstrapOptions, bootstrapCredentials, hasCredentials } from './bootstrap.ts';
import { boundedTransport } from './bounded-transport.ts';
import { CertificateStoreError, writeWhole } from './certificate-store.ts';
import { DiscoveryError, type DiscoveryOptions, discoverCluster } from './discovery.ts';

/** The values of `--join` and its flags. */
export interface JoinOptions extends BootstrapOptions {
  discovery: DiscoveryOptions;
}

/** Path of the cluster's CA, which verifies clients of the kubelet's API. */
export const joinedCaFile = (certDir: string): string => join(certDir, 'ca.crt');

/** Does nothing when an earlier start has joined already: its token may have expired long ago. @throws Error that says what to do */
export async function joinCluster(options: JoinOptions, deps: BootstrapDeps): Promise<void> {
  const { certDir, discovery, nodeName } = options;
  const bootstrapFile = join(certDir, 'bootstrap-kubelet.conf');
  if (hasCredentials(options, deps)) return;
  const cluster = await discoverCluster(discovery, deps);
  try {
    makeFolder(certDir);
    writeWhole(joinedCaFile(certDir), cluster.ca);
    writeWhole(bootstrapFile, kubeconfigText({ ...cluster, token: discovery.token, userName: 'tls-bootstrap-token-user' }));
  } catch (error) {
    throw new CertificateStoreError(`${certDir} cannot be written to: ${errorText(error)}`, { cause: error });
  }
  const bootstrap = loadKubeconfig(bootstrapFile);
  await checkNameIsFree(bootstrap, nodeName, deps);
  await bootstrapCredentials(bootstrap, options, deps);
  // The file contains the token, which is not needed any more.
  rmSync(bootstrapFile, { force: true });
}

/** Fails when the Node exists already: two machines with one name would overwrite each other's Node. @throws DiscoveryError */
async function checkNameIsFree(bootstrap: LoadedKubeconfig, nodeName: string, { clock, signal }: BootstrapDeps): Promise<void> {
  const transport = createHttpTransport({ ...bootstrap, clock });
  try {
    const client = createClient(boundedTransport(transport), { userAgent: 'tinker', clock, signal });
    if (isNodeReady(await client.resource('nodes').get({ name: nodeName })))
      throw new DiscoveryError(
        `a Node with name ${JSON.stringify(nodeName)} and status "Ready" already exists in the cluster: delete it, or give this one another name with --hostname-override`,
      );
  } catch (error) {
    // In a cluster where tokens may not read Nodes, the name cannot be checked.
    if (!isNotFound(error) && !(error instanceof ApiError && error.code === 403)) throw error;
  } finally {
    transport.close();
  }
}

/** Carries out `--bootstrap-kubeconfig`. Does nothing when `--kubeconfig` is usable. @throws Error that says what to do */
export async function bootstrapFromFile(path: string, options: BootstrapOptions, deps: BootstrapDeps): Promise<void> {
  if (hasCredentials(options, deps)) return;
  await bootstrapCredentials(loadKubeconfig(path), options, deps);
}
