/**
 * Finds the CA of a cluster from an address and a bootstrap token. It reads the ConfigMap `kube-public/cluster-info` without verifying the
 * server, checks its signature with the token and its CA against the pinned hashes, and reads it again over a connection that this CA
 * verifies.
 *
 * Source: kubeadm `app/discovery/token`, `app/util/pubkeypin`; RFC 7515, appendix F (detached content); kubernetes.io, kubeadm join.
 */
import { createHash, createHmac, timingSafeEqual, X509Certificate } from 'node:crypto';
import type { Logger } from 'pino';
import { parse } from 'yaml';
import { parseBootstrapToken } from '#api/bootstrap-token.ts';
import { errorText } from '#api/error-text.ts';
import type { ConfigMap } from '#api/types.generated.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { createHttpTransport } from '#client/http-transport.ts';
import type { Transport } from '#client/transport.ts';
import { boundedTransport } from './bounded-transport.ts';

/** The address of the cluster, and the secrets that prove its identity. */
export interface DiscoveryOptions {
  /** `host:port`. */
  endpoint: string;
  /** `abcdef.0123456789abcdef` */
  token: string;
  /** `sha256:<hex>` of a CA's public key each. Empty: any CA that is signed with the token is accepted. */
  caCertHashes: readonly string[];
  /** Time to wait for a valid `cluster-info`. */
  timeoutMs: number;
}

/** The cluster after discovery. */
export interface DiscoveredCluster {
  /** URL. */
  server: string;
  /** PEM. */
  ca: string;
}

/** The cluster cannot be trusted, or does not answer. The message says why and contains no secret. */
export class DiscoveryError extends Error {
  override name = 'DiscoveryError';
}

interface DiscoveryDeps {
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Pause between attempts, as kubeadm. */
const retryMs = 5_000;
const signaturePrefix = 'jws-kubeconfig-';

/** @throws DiscoveryError; the signal's reason */
export async function discoverCluster(options: DiscoveryOptions, deps: DiscoveryDeps): Promise<DiscoveredCluster> {
  const pins = options.caCertHashes.map(pinOf);
  const token = parseBootstrapToken(options.token);
  if (token === undefined)
    throw new DiscoveryError('the bootstrap token is not of the form abcdef.0123456789abcdef: tinker token create makes one');
  const server = `https://${options.endpoint}`;
  const first = await clusterInfo({ server, insecureSkipTlsVerify: true }, token.id, options.timeoutMs, deps);
  const kubeconfig = checkSignature(first, token);
  const cluster = clusterOf(kubeconfig);
  if (pins.length === 0) return cluster;
  checkPins(cluster.ca, pins);
  const second = await clusterInfo({ server, ca: cluster.ca }, token.id, options.timeoutMs, deps);
  if (second.data?.['kubeconfig'] !== kubeconfig)
    throw new DiscoveryError(
      'the second kubeconfig from the cluster-info ConfigMap (using validated TLS) was different from the first',
    );
  return cluster;
}

function pinOf(text: string): string {
  const [, hex] = /^sha256:([0-9a-f]{64})$/i.exec(text) ?? [];
  if (hex === undefined)
    throw new DiscoveryError(`invalid discovery token CA certificate hash: ${JSON.stringify(text)}: give sha256:<64 hex digits>`);
  return hex.toLowerCase();
}

/** Asks until there is a `cluster-info` with a signature of this token. */
async function clusterInfo(
  target: { server: string; ca?: string; insecureSkipTlsVerify?: boolean },
  tokenId: string,
  timeoutMs: number,
  { clock, log, signal }: DiscoveryDeps,
): Promise<Pick<ConfigMap, 'data'>> {
  const untilMs = clock.monotonic() + timeoutMs;
  for (;;) {
    const leftMs = Math.max(1, untilMs - clock.monotonic());
    const transport = createHttpTransport({ ...target, clock, requestTimeoutMs: Math.min(leftMs, 30_000) });
    let problem: string;
    try {
      const found = await readClusterInfo(boundedTransport(transport), signal);
      if (found.data?.[`${signaturePrefix}${tokenId}`] !== undefined) return found;
      problem = `could not find a JWS signature in the cluster-info ConfigMap for token ID ${JSON.stringify(tokenId)}: the token is unknown or has expired ("tinker token create" on the control machine makes a new one)`;
    } catch (error) {
      problem = `failed to request the cluster-info ConfigMap: ${errorText(error)}`;
    } finally {
      transport.close();
    }
    signal.throwIfAborted();
    if (clock.monotonic() + retryMs > untilMs) throw new DiscoveryError(problem);
    log.info({ problem }, 'the cluster cannot be discovered yet; trying again');
    await sleep(clock, retryMs, signal);
    signal.throwIfAborted();
  }
}

/**
 * Reads `cluster-info` once. It uses the bare transport, because the client would obey a Retry-After of any length from a server that is
 * not trusted. @throws Error
 */
async function readClusterInfo(transport: Transport, signal: AbortSignal): Promise<Pick<ConfigMap, 'data'>> {
  const path = '/api/v1/namespaces/kube-public/configmaps/cluster-info';
  const { status, body } = await transport({ method: 'GET', path, headers: { accept: 'application/json' }, signal });
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  if (status !== 200) throw new Error(`the server answered with the status ${status}`);
  const found = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Pick<ConfigMap, 'data'> | null;
  const data: unknown = found?.data ?? {};
  if (typeof data !== 'object' || data === null) throw new Error('the server did not answer with a ConfigMap');
  return { data: data as Record<string, string> };
}

/** Verifies the signature and returns the signed kubeconfig. @throws DiscoveryError. Pure. */
export function checkSignature({ data = {} }: Pick<ConfigMap, 'data'>, token: { id: string; secret: string }): string {
  const kubeconfig = data['kubeconfig'];
  if (typeof kubeconfig !== 'string' || kubeconfig === '')
    throw new DiscoveryError(
      "there is no kubeconfig key in the cluster-info ConfigMap. This API Server isn't set up for token bootstrapping, can't connect",
    );
  const [header = '', payload, signature, ...more] = String(data[`${signaturePrefix}${token.id}`] ?? '').split('.');
  const expected = createHmac('sha256', token.secret)
    .update(`${header}.${Buffer.from(kubeconfig).toString('base64url')}`)
    .digest();
  const given = Buffer.from(signature ?? '', 'base64url');
  const isSame = given.length === expected.length && timingSafeEqual(given, expected);
  if (payload !== '' || more.length > 0 || !isSame || !isHeader(header, token.id))
    throw new DiscoveryError("failed to verify JWS signature of received cluster info object, can't trust this API Server");
  return kubeconfig;
}

function isHeader(encoded: string, tokenId: string): boolean {
  try {
    const header = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8')) as { alg?: unknown; kid?: unknown } | null;
    return header?.alg === 'HS256' && header.kid === tokenId;
  } catch {
    return false; // Not JSON: no header.
  }
}

function clusterOf(text: string): DiscoveredCluster {
  const fail = (why: string, cause?: unknown): never => {
    throw new DiscoveryError(`malformed kubeconfig in the cluster-info ConfigMap: ${why}`, { cause });
  };
  let config: { clusters?: { cluster?: { server?: unknown; 'certificate-authority-data'?: unknown } }[] } | null;
  try {
    config = parse(text) as typeof config;
  } catch (error) {
    return fail('it is not YAML', error);
  }
  const cluster = Array.isArray(config?.clusters) ? config.clusters[0]?.cluster : undefined;
  const { server, 'certificate-authority-data': data } = cluster ?? {};
  if (typeof server !== 'string' || !URL.canParse(server) || new URL(server).protocol !== 'https:')
    return fail('its server is no https URL');
  if (typeof data !== 'string') return fail('it has no certificate authority');
  return { server, ca: Buffer.from(data, 'base64').toString('utf8') };
}

const certificateBlocks = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Checks that one of the CAs is pinned. @throws DiscoveryError. Pure. */
export function checkPins(ca: string, pins: readonly string[]): void {
  const hashes: string[] = [];
  for (const pem of ca.match(certificateBlocks) ?? []) {
    try {
      const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
      hashes.push(createHash('sha256').update(key).digest('hex'));
    } catch (error) {
      throw new DiscoveryError('failed to parse cluster CA from the cluster-info ConfigMap', { cause: error });
    }
  }
  if (!hashes.some((hash) => pins.includes(hash)))
    throw new DiscoveryError(
      `cluster CA found in cluster-info ConfigMap is invalid: none of the public keys ${JSON.stringify(hashes.map((hash) => `sha256:${hash}`))} are pinned`,
    );
}
