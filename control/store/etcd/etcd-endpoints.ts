/** Where etcd's members are, and how we prove who we are. */
import { ChannelCredentials, credentials } from '@grpc/grpc-js';

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
  /** As gRPC names it. */
  target: string;
  isSecure: boolean;
}

/** @throws Error that says what is wrong with the URL */
export function parseEndpoint(url: string): Endpoint {
  if (url.startsWith('unix://')) return { url, target: `unix:${url.slice('unix://'.length)}`, isSecure: false };
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isWhole = parsed !== undefined && ['http:', 'https:'].includes(parsed.protocol) && parsed.hostname !== '';
  if (!isWhole || parsed.pathname !== '/' || parsed.search !== '' || parsed.username !== '')
    throw new Error(`${url}: give a URL such as https://10.0.0.1:2379`);
  const isSecure = parsed.protocol === 'https:';
  const port = parsed.port === '' ? (isSecure ? '443' : '80') : parsed.port;
  return { url, target: `dns:${parsed.hostname}:${port}`, isSecure };
}

/** The credentials of connections to one member. @throws Error when a certificate or key cannot be read */
export function credentialsOf({ isSecure }: Endpoint, { ca, identity }: EtcdAccess): ChannelCredentials {
  if (!isSecure) return credentials.createInsecure();
  return credentials.createSsl(ca ?? null, identity?.key ?? null, identity?.certificate ?? null);
}
