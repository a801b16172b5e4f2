/** Where etcd's members are, and how we prove who we are. */
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';

/** How etcd is reached. */
export interface EtcdAccess {
  /** `--etcd-servers`: `https://10.0.0.1:2379`, `http://…`, or `unix://<path>`. At least one. */
  endpoints: readonly string[];
  /** PEM: the CA of the members' certificates. Absent: those that the system trusts. */
  ca?: Buffer | undefined;
  /** PEM: our certificate and key. Both or none. */
  identity?: { certificate: Buffer; key: Buffer } | undefined;
}

/** One member's address. */
export interface Endpoint {
  url: string;
  /** Name or address, as the member's certificate has it; '' for a socket. */
  host: string;
  /** As gRPC names it. */
  target: string;
  isSecure: boolean;
}

/** @throws Error that says what is wrong with the URL */
export function parseEndpoint(url: string): Endpoint {
  if (url.startsWith('unix://')) return { url, host: '', target: `unix:${url.slice('unix://'.length)}`, isSecure: false };
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isWhole = parsed !== undefined && ['http:', 'https:'].includes(parsed.protocol) && parsed.hostname !== '';
  if (!isWhole || parsed.pathname !== '/' || parsed.search !== '' || parsed.username !== '')
    throw new Error(`${url}: give a URL such as https://10.0.0.1:2379`);
  const isSecure = parsed.protocol === 'https:';
  const port = parsed.port === '' ? (isSecure ? '443' : '80') : parsed.port;
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  return { url, host, target: `dns:${parsed.hostname}:${port}`, isSecure };
}

/** Checks that certificates and key are what they should be. @throws Error with the reason of TLS */
export function checkAccess({ endpoints, ca, identity }: EtcdAccess): void {
  for (const url of endpoints) parseEndpoint(url);
  createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
  });
}

/**
 * TLS sends the name of the server that is meant, which must not be an address (RFC 6066); Node refuses one, and grpc-js would send the address.
 * So some name is sent instead; the certificate is checked for the address all the same.
 */
export const nameOption = ({ host, isSecure }: Endpoint): { 'grpc.ssl_target_name_override'?: string } =>
  isSecure && isIP(host) !== 0 ? { 'grpc.ssl_target_name_override': 'etcd' } : {};
