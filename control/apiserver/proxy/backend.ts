/** Connections to what proxies lead to, and their failures in the words of Go's network library, which clients print. */
import { X509Certificate } from 'node:crypto';
import type { Agent } from 'node:https';
import { type Socket, connect as tcpConnect } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkServerIdentity, type PeerCertificate, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { hostPort, type Location } from './location.ts';

/** How the API server identifies itself to kubelets, and knows them. */
export interface KubeletCredentials {
  /** PEM: `--kubelet-client-certificate`. Absent: it shows none. */
  certificate?: string | undefined;
  key?: string | undefined;
  /** PEM: what kubelets' certificates must come from (`--kubelet-certificate-authority`); absent: not checked, as upstream. */
  ca?: string | undefined;
  /** PEM: the API server's own serving certificate. Whoever shows it is no kubelet, whatever a node's status says. */
  own?: string;
}

/** Opens a connection; its errors come as the socket's event. */
export type Connect = (to: { host: string; port: number }) => Socket;

const systemConnect: Connect = ({ host, port }) => tcpConnect({ host, port, noDelay: true });

/** How kubelets, pods and services are reached. */
export interface BackendOptions {
  kubelet: KubeletCredentials;
  /** Default: TCP of this machine. */
  connect?: Connect | undefined;
  /** Until TCP and TLS stand. Default 30 s, as Go's dialer. */
  connectTimeoutMs?: number | undefined;
}

/** Connections to kubelets, pods and services, kept for further requests. @throws (its methods) Error of the network */
export class Backends {
  readonly #options: BackendOptions;
  readonly #own: Buffer | undefined;

  constructor(options: BackendOptions) {
    this.#options = options;
    const { own } = options.kubelet;
    this.#own = own === undefined ? undefined : new X509Certificate(own).raw;
  }

  /**
   * A connection that is being made; failures come as its `error` event. Only to a kubelet do we show a client certificate, and only a kubelet's
   * certificate is verified: pods and services may have any.
   */
  dial(location: Location): Duplex {
    if (location.pool !== undefined) return pooled(location.pool, location);
    const { connect = systemConnect, connectTimeoutMs = 30_000 } = this.#options;
    const port = portNumber(location);
    if (typeof port !== 'number') return brokenSocket(port.problem);
    const plain = connect({ host: location.address, port });
    const socket = location.scheme === 'https' ? this.#secured(plain, location) : plain;
    const timer = setTimeout(() => socket.destroy(new Error('i/o timeout')), connectTimeoutMs);
    socket.once(location.scheme === 'https' ? 'secureConnect' : 'connect', () => clearTimeout(timer));
    socket.once('close', () => clearTimeout(timer));
    return socket;
  }

  #secured(plain: Socket, { hostname, address, kubelet }: Location): TLSSocket {
    const servername = hostname === address ? {} : { servername: hostname };
    const base = { socket: plain, host: hostname, ...servername, ALPNProtocols: ['http/1.1'] };
    const { certificate: cert, key, ca } = this.#options.kubelet;
    const socket = kubelet
      ? tlsConnect({
          ...base,
          ...(cert === undefined || key === undefined ? {} : { cert, key }),
          ...(ca === undefined ? {} : { ca }),
          rejectUnauthorized: ca !== undefined,
          checkServerIdentity: (host, peer) => this.#isOurselves(peer) ?? checkServerIdentity(host, peer),
        })
      : tlsConnect({ ...base, rejectUnauthorized: false });
    // TLS over a given socket does not hear of its failure.
    plain.once('error', (error) => socket.destroy(error));
    return socket;
  }

  #isOurselves({ raw }: PeerCertificate): Error | undefined {
    return this.#own?.equals(raw) === true ? new Error("the address of the node's kubelet is the API server's own") : undefined;
  }
}

/** A connection of the pool's making that is not kept: it becomes something else. */
function pooled(pool: Agent, { address, port }: Location): Duplex {
  return pool.createConnection({ host: address, port }) as Duplex;
}

function portNumber({ scheme, port }: Location): number | { problem: string } {
  if (port === '') return scheme === 'https' ? 443 : 80;
  if (!/^\d+$/.test(port)) return { problem: `dial tcp: lookup tcp/${port}: unknown port` };
  return Number(port) > 0xffff ? { problem: `dial tcp: address ${port}: invalid port` } : Number(port);
}

/** Fails as a connection does: by an error, once its user listens. */
const brokenSocket = (problem: string): Socket =>
  tcpConnect({ host: 'nowhere', port: 1, lookup: (_host, _options, done) => done(new Error(problem), '') });

const dialErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
  EACCES: 'connect: permission denied',
};

const untrusted: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]);

/** The error as Go prints it. Pure. */
export function goNetworkError(error: Error, location: Pick<Location, 'address' | 'port'>): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  const at = hostPort(location);
  const dial = dialErrors[code];
  if (dial !== undefined) return `dial tcp ${at}: ${dial}`;
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${location.address}: no such host`;
  if (error.message === 'i/o timeout') return `dial tcp ${at}: i/o timeout`;
  if (error.message === 'socket hang up') return 'EOF';
  if (code === 'ECONNRESET') return `read tcp ${at}: read: connection reset by peer`;
  if (code === 'EPIPE') return `write tcp ${at}: write: broken pipe`;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG' || code === 'EPROTO')
    return 'http: server gave HTTP response to HTTPS client';
  if (untrusted.has(code)) return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  if (code === 'HPE_HEADER_OVERFLOW') return 'net/http: server response headers exceeded the limit; aborted';
  if (code.startsWith('HPE_'))
    return `net/http: HTTP/1.x transport connection broken: malformed HTTP response (${error.message})`;
  return error.message;
}
