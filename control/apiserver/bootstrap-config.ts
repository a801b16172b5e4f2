/**
 * ConfigMaps that a cluster publishes: the CAs of client certificates (`extension-apiserver-authentication`), since when the use of legacy
 * tokens is tracked, and, for machines that join, the API server's address and CA (`cluster-info`).
 *
 * Source: kubernetes `pkg/controlplane/controller/{clusterauthenticationtrust,legacytokentracking}`; kubeadm
 * `app/phases/bootstraptoken/clusterinfo`.
 */
import { X509Certificate } from 'node:crypto';
import { stringify } from 'yaml';
import type { New } from '#api/meta.ts';
import { sameJson } from '#api/meta.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#api/status.ts';
import type { ConfigMap, Role, RoleBinding } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { RequestHeaderOptions } from './authentication/request-header.ts';
import { pemCertificates } from './serving/pem-certificates.ts';
import type { ServerLog } from './serving/server-log.ts';

/** The contents of these ConfigMaps. */
export interface PublishedConfig {
  /** PEM. Absent: there are no client certificates. */
  clientCa: string | undefined;
  requestHeader: RequestHeaderOptions | undefined;
  /** The API server's URL for machines that join. */
  serverUrl: string;
}

/** Upstream's interval of one minute. */
const intervalMs = 60_000;

/** Maintains the ConfigMaps of kube-system until `signal` aborts. */
export async function keepPublished(
  client: Client,
  config: PublishedConfig,
  clock: Clock,
  log: ServerLog,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await publishTrust(client, config, clock.now());
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error))
        log.warn({ err: error }, 'what others need to trust this cluster could not be published; trying again');
    }
    await sleep(clock, intervalMs, signal);
  }
}

/**
 * Writes the ConfigMaps of kube-system. Several API servers write them, so existing contents are completed, and only expired CAs are
 * removed.
 * @throws ApiError
 */
export async function publishTrust(client: Client, config: PublishedConfig, nowMs: number): Promise<void> {
  await write(client, 'kube-system', 'extension-apiserver-authentication', (data) => trustData(data, config, nowMs));
  await publishTracking(client, nowMs);
}

function trustData(present: Readonly<Record<string, string>>, config: PublishedConfig, nowMs: number): Record<string, string> {
  const { clientCa, requestHeader: own } = config;
  const certificates = (key: string, more = ''): string => combinedCertificates(`${present[key] ?? ''}\n${more}`, nowMs);
  const list = (key: string, more: readonly string[] = []): string =>
    JSON.stringify([...new Set([...readList(present[key]), ...more])]);
  const clientCas = certificates('client-ca-file', clientCa);
  const data: Record<string, string> = clientCas === '' ? {} : { 'client-ca-file': clientCas };
  const proxyCas = certificates('requestheader-client-ca-file', own?.clientCa);
  if (proxyCas === '') return data;
  const uidHeaders = list('requestheader-uid-headers', own?.uidHeaders);
  return {
    ...data,
    'requestheader-username-headers': list('requestheader-username-headers', own?.usernameHeaders),
    ...(uidHeaders === '[]' ? {} : { 'requestheader-uid-headers': uidHeaders }),
    'requestheader-group-headers': list('requestheader-group-headers', own?.groupHeaders),
    'requestheader-extra-headers-prefix': list('requestheader-extra-headers-prefix', own?.extraHeaderPrefixes),
    'requestheader-client-ca-file': proxyCas,
    'requestheader-allowed-names': list('requestheader-allowed-names', own?.allowedNames),
  };
}

/** The existing value, if it is a list of strings. */
function readList(text = ''): string[] {
  try {
    const value: unknown = text === '' ? [] : JSON.parse(text);
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  } catch {
    return []; // Not JSON: it is replaced.
  }
}

const slackMs = 5 * 60_000;

function combinedCertificates(pem: string, nowMs: number): string {
  const byText = new Map<string, string>();
  for (const one of pemCertificates(pem)) {
    const certificate = readCertificate(one);
    if (certificate === undefined || Date.parse(certificate.validTo) < nowMs - slackMs) continue;
    byText.set(certificate.fingerprint256, certificate.toString());
  }
  return [...byText.values()].join('');
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined; // An unreadable certificate is left out.
  }
}

const trackingName = 'kube-apiserver-legacy-service-account-token-tracking';

async function publishTracking(client: Client, nowMs: number): Promise<void> {
  const today = new Date(nowMs).toISOString().slice(0, 10);
  await write(client, 'kube-system', trackingName, (data) =>
    /^\d{4}-\d\d-\d\d$/.test(data['since'] ?? '') ? data : { ...data, since: today },
  );
}

async function write(
  client: Client,
  namespace: string,
  name: string,
  dataOf: (present: Readonly<Record<string, string>>) => Record<string, string>,
): Promise<void> {
  const maps = client.resource('configmaps');
  try {
    const found = await maps.get({ namespace, name });
    const data = dataOf(found.data ?? {});
    if (!sameJson(data, found.data)) await maps.update({ ...found, data });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await maps.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: dataOf({}) } as New<ConfigMap>);
  }
}

const infoName = { namespace: 'kube-public', name: 'cluster-info' };
const roleName = 'kubeadm:bootstrap-signer-clusterinfo';

/**
 * Creates `cluster-info` and lets everybody read it, as `kubeadm init` does. If it exists, only server and CA are updated: the permission
 * to read it is not added again if an administrator has removed it.
 */
export async function publishClusterInfo(client: Client, { clientCa, serverUrl }: PublishedConfig): Promise<void> {
  const maps = client.resource('configmaps');
  const cluster = { 'certificate-authority-data': Buffer.from(clientCa ?? '').toString('base64'), server: serverUrl };
  const kubeconfig = stringify(
    {
      apiVersion: 'v1',
      clusters: [{ cluster, name: '' }],
      contexts: null,
      'current-context': '',
      kind: 'Config',
      users: null,
    },
    { lineWidth: 0 },
  );
  try {
    const found = await maps.get(infoName);
    if (found.data?.['kubeconfig'] !== kubeconfig) await maps.update({ ...found, data: { ...found.data, kubeconfig } });
    return;
  } catch (error) {
    if (isConflict(error)) return; // A conflict with the signer, or with another server that writes the same.
    if (!isNotFound(error)) throw error;
  }
  const rbac = { apiGroup: 'rbac.authorization.k8s.io' };
  const metadata = { namespace: infoName.namespace, name: roleName };
  const rules = [{ verbs: ['get'], apiGroups: [''], resources: ['configmaps'], resourceNames: [infoName.name] }];
  const role = { apiVersion: `${rbac.apiGroup}/v1`, kind: 'Role', metadata, rules };
  const binding = {
    ...role,
    kind: 'RoleBinding',
    rules: undefined,
    roleRef: { ...rbac, kind: 'Role', name: roleName },
    subjects: [{ ...rbac, kind: 'User', name: 'system:anonymous' }],
  };
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: infoName, data: { kubeconfig } };
  await unlessThere(client.resource('roles.rbac.authorization.k8s.io').create(role as New<Role>));
  await unlessThere(client.resource('rolebindings.rbac.authorization.k8s.io').create(binding as New<RoleBinding>));
  // This is created last: it tells the next start that the others exist.
  await unlessThere(maps.create(map as New<ConfigMap>));
}

async function unlessThere(creating: Promise<unknown>): Promise<void> {
  try {
    await creating;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
