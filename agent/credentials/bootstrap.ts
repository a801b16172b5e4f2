/**
 * From a bootstrap token to a node's credentials: for each user of the agent a key, a request for its certificate, and, once all are there,
 * the kubeconfig that names them. The work of an earlier start is kept: a key that has no certificate yet stays in `<prefix>.key.tmp`, and
 * the name of its CertificateSigningRequest is derived from the key.
 *
 * Source: upstream `pkg/kubelet/certificate/bootstrap/bootstrap.go` (LoadClientCert); kubernetes.io, TLS bootstrapping.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { makeFolder } from '#agent/host/make-folder.ts';
import { agentContext } from '#api/agent-users.ts';
import { errorText } from '#api/error-text.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { createHttpTransport } from '#client/http-transport.ts';
import { KubeconfigError, kubeconfigText, type LoadedKubeconfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { boundedTransport } from './bounded-transport.ts';
import {
  CertificateStore,
  CertificateStoreError,
  readCertificateAndKey,
  type StoredCertificate,
  writeWhole,
} from './certificate-store.ts';
import { type NodeUser, nodeUsers } from './node-users.ts';
import { requestCertificate } from './request-certificate.ts';

/** The node, and the files to write. */
export interface BootstrapOptions {
  nodeName: string;
  /** `--kubeconfig`: path of the kubeconfig to write. */
  kubeconfig: string;
  /** `--cert-dir`. */
  certDir: string;
  /** Time to wait for a certificate. Default 1 h, as upstream. */
  timeoutMs?: number | undefined;
  /** The kubeconfig is upstream's: it holds the kubelet alone, under its current context. */
  isKubeletAlone?: boolean | undefined;
}

/** The dependencies of the bootstrap. */
export interface BootstrapDeps {
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

const hourMs = 3_600_000;

/** Whether the kubeconfig has an unexpired certificate for every user of the node. Logs what is wrong with a file that exists. */
export function hasCredentials(
  { nodeName, kubeconfig, isKubeletAlone = false }: BootstrapOptions,
  { clock, log }: Pick<BootstrapDeps, 'clock' | 'log'>,
): boolean {
  try {
    readFileSync(kubeconfig);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new KubeconfigError(`${kubeconfig} cannot be read: ${errorText(error)}`, { cause: error });
  }
  try {
    for (const { user } of nodeUsers(nodeName, isKubeletAlone)) {
      const { cert = '', key = '' } = loadKubeconfig(kubeconfig, isKubeletAlone ? undefined : agentContext(user));
      const { notAfterMs } = readCertificateAndKey(cert, key);
      if (notAfterMs <= clock.now())
        throw new Error(`the certificate of ${user} has expired on ${new Date(notAfterMs).toISOString()}`);
    }
    return true;
  } catch (error) {
    log.warn({ kubeconfig, reason: errorText(error) }, 'the kubeconfig cannot be used any more: certificates are asked for anew');
    return false;
  }
}

/**
 * Requests the missing certificates as the user of `bootstrap` (a kubeconfig with a bootstrap token).
 * @throws CertificateRequestError, CertificateStoreError; ApiError and TransportError; the signal's reason
 */
export async function bootstrapCredentials(
  bootstrap: LoadedKubeconfig,
  options: BootstrapOptions,
  deps: BootstrapDeps,
): Promise<void> {
  const transport = createHttpTransport({ ...bootstrap, clock: deps.clock });
  try {
    const client = createClient(boundedTransport(transport), { userAgent: 'kubelet', clock: deps.clock, signal: deps.signal });
    const [kubelet, ...others] = nodeUsers(options.nodeName, options.isKubeletAlone);
    // The kubelet's certificate comes first: without it the others are useless.
    for (const user of [kubelet, ...others]) await bootstrapUser(client, user, options, deps);
    writeKubeconfig(bootstrap, kubelet, others, options);
  } finally {
    transport.close();
  }
}

async function bootstrapUser(
  client: Client,
  { user, prefix, wanted }: NodeUser,
  { certDir, timeoutMs = hourMs }: BootstrapOptions,
  { clock, log, signal }: BootstrapDeps,
): Promise<void> {
  const store = new CertificateStore(certDir, prefix);
  const found = usable(store, clock.now(), log);
  if (found?.commonName === user) return;
  const pending = join(certDir, `${prefix}.key.tmp`);
  const key = pendingKey(pending);
  const waiting = (request: string): void =>
    log.info({ user, request }, 'waiting until the certificate is approved and issued: kubectl get csr shows the request');
  const pem = await requestCertificate({ client, clock, waiting }, wanted, key, { isNamed: true, timeoutMs, signal });
  const { commonName } = store.update(pem, pemOf(key), clock.now());
  if (commonName !== user) log.warn({ user, commonName }, 'the certificate is for another user than was asked for');
  rmSync(pending, { force: true });
  log.info({ user }, 'the certificate is there');
}

function usable(store: CertificateStore, nowMs: number, log: Logger): StoredCertificate | undefined {
  try {
    const found = store.current();
    return found !== undefined && found.notAfterMs > nowMs ? found : undefined;
  } catch (error) {
    if (!(error instanceof CertificateStoreError)) throw error;
    log.warn({ reason: error.message }, 'a stored certificate cannot be used: it is asked for anew');
    return undefined;
  }
}

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/**
 * The key of an earlier start, or a new one. A new key is written to disk before it is used, so that a restart finds it. @throws
 * CertificateStoreError
 */
function pendingKey(path: string): KeyObject {
  try {
    return createPrivateKey(readFileSync(path, 'utf8'));
  } catch {
    // There is no file, or its key cannot be used. No earlier request can belong to it, so a new key is safe.
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  try {
    makeFolder(dirname(path));
    writeWhole(path, pemOf(privateKey));
  } catch (error) {
    throw new CertificateStoreError(`the key of the certificate to come cannot be written to ${path}: ${errorText(error)}`, {
      cause: error,
    });
  }
  return privateKey;
}

function writeKubeconfig(
  { server, ca, insecureSkipTlsVerify, tlsServerName }: LoadedKubeconfig,
  kubelet: NodeUser,
  others: readonly NodeUser[],
  { kubeconfig, certDir }: BootstrapOptions,
): void {
  const files = ({ user, prefix }: NodeUser): { userName: string; certFile: string; keyFile: string } => {
    const { currentPath } = new CertificateStore(certDir, prefix);
    return { userName: user, certFile: currentPath, keyFile: currentPath };
  };
  const text = kubeconfigText({
    server,
    ca,
    insecureSkipTlsVerify,
    tlsServerName,
    ...files(kubelet),
    others: others.map(files),
  });
  try {
    makeFolder(dirname(kubeconfig));
    writeWhole(kubeconfig, text);
  } catch (error) {
    throw new KubeconfigError(`${kubeconfig} cannot be written: ${errorText(error)}`, { cause: error });
  }
}
