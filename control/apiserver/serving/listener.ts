/**
 * HTTPS: HTTP/2 and HTTP/1.1 on one port, with client certificates or bearer tokens. Requests go to `serve-request.ts`, connections that ask
 * to become something else to `serve-upgrade.ts`.
 */
import { constants, X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import { untilAborted } from '#client/until-aborted.ts';
import { parseRequestInfo } from '../rest/request-info.ts';
import { BodyReader } from './body-reader.ts';
import { type ConnectionTimes, connectionLimits, defaultTimes, limitSessions } from './connection-limits.ts';
import { OpenConnections } from './open-connections.ts';
import { pemCertificates } from './pem-certificates.ts';
import { type RequestHandler, type Serving, serve } from './serve-request.ts';
import { connected, upgraded } from './serve-upgrade.ts';
import type { ServerLog } from './server-log.ts';
import type { TlsLimits } from './tls-flags.ts';
import { wantsWebSocketWatch } from './watch-websocket.ts';

/** Whose client certificates are known. */
export interface TrustedAuthorities {
  /** PEM: the CAs that client certificates must come from. Absent: nobody is known by one. */
  clientCa?: string | undefined;
  /** PEM: the CA of a proxy in front, if there is one. */
  requestHeaderCa?: string | undefined;
}

/** Where and how HTTPS is served. */
export interface ListenerOptions extends TlsLimits, TrustedAuthorities {
  host: string;
  /** 0: any free one. */
  port: number;
  /** PEM: the server's certificate and key. */
  certificate: string;
  key: string;
  /** How long requests under way may take to finish on shutdown. Default 10 s. */
  graceMs?: number;
  /** How long clients may take over headers, bodies and silence. Default: upstream's. */
  times?: Partial<ConnectionTimes>;
}

/** The HTTPS server. */
export interface Listener {
  readonly port: number;
  /** Uses this certificate for new connections. @throws Error when certificate and key do not match */
  useCertificate(pair: { certificate: string; key: string }): void;
  /** CAs of client certificates, for connections that begin from now on. @throws Error for what is no certificate */
  trust(authorities: TrustedAuthorities): void;
  /** Serves until `signal` aborts, then lets requests finish. */
  run(signal: AbortSignal): Promise<void>;
}

/** Opens the port. @throws the socket's error (EADDRINUSE, EACCES) */
export async function listen(server: RequestHandler, options: ListenerOptions, log: ServerLog): Promise<Listener> {
  const times = { ...defaultTimes, ...options.times };
  let pair = { certificate: options.certificate, key: options.key };
  let trusted: TrustedAuthorities = options;
  const secure = (): SecureContextOptions => ({
    cert: pair.certificate,
    key: pair.key,
    // An empty list stands for no CA at all; without a list, those of the machine would be asked for.
    ca: [trusted.clientCa ?? [], trusted.requestHeaderCa ?? []].flat(),
    // Which of two CAs has signed is read from the whole chain, which a resumed session does not have: then none is resumed.
    ...(trusted.requestHeaderCa === undefined ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
    minVersion: options.minVersion ?? 'TLSv1.2',
    ...(options.ciphers === undefined ? {} : { ciphers: options.ciphers }),
  });
  const http = http2.createSecureServer({
    ...connectionLimits(times),
    allowHTTP1: true,
    ...secure(),
    requestCert: true,
    // Whoever has no certificate of ours may still have a token.
    rejectUnauthorized: false,
  });
  const authorities = authoritiesOf(trusted);
  const serving: Serving = { server, bodies: new BodyReader(), log, requestMs: times.requestMs, authorities };
  http.on('request', (request, response) => void serve(serving, request, response));
  // Go on only when it is known who asks: a client that is refused keeps its body.
  http.on('checkContinue', (request, response) => void serve(serving, request, response, () => response.writeContinue()));
  http.on(
    'upgrade',
    (request: Http2ServerRequest, socket: Duplex, head: Buffer) => void upgraded(serving, request, socket, head),
  );
  // HTTP/2 gives request and response, HTTP/1.1 the connection.
  http.on('connect', (request: Http2ServerRequest, second: Http2ServerResponse | Duplex) =>
    'writeHead' in second ? void serve(serving, request, second) : void connected(serving, request, second),
  );
  // Without this, Node gives every request with an Upgrade header to the listener above, whatever it is about.
  Object.assign(http, {
    shouldUpgradeCallback: ({ method, url, headers }: IncomingMessage) => {
      const info = parseRequestInfo(method ?? '', url ?? '');
      return wantsWebSocketWatch(info, method, headers) || server.upgrades(info);
    },
  });
  limitSessions(http, times);
  http.on('session', (session) =>
    session.on('error', (error) => log.debug({ err: error }, 'HTTP/2 session ended with an error')),
  );
  http.on('tlsClientError', (error) => log.debug({ err: error }, 'TLS handshake failed'));
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(options.port, options.host, () => {
      http.off('error', reject);
      resolve();
    });
  });
  // A connection that cannot be accepted (too many open files) is one client's loss, not the server's end.
  http.on('error', (error) => log.error({ err: error }, 'a connection could not be accepted'));
  const connections = new OpenConnections(http);
  return {
    port: (http.address() as AddressInfo).port,
    useCertificate(next) {
      pair = next;
      http.setSecureContext(secure());
    },
    trust(next) {
      trusted = next;
      serving.authorities = authoritiesOf(next);
      http.setSecureContext(secure());
    },
    async run(signal) {
      await untilAborted(signal);
      server.beginShutdown();
      await connections.close(options.graceMs ?? 10_000);
    },
  };
}

const authoritiesOf = ({ clientCa, requestHeaderCa }: TrustedAuthorities): Serving['authorities'] => ({
  client: certificatesOf(clientCa),
  requestHeader: certificatesOf(requestHeaderCa),
});

/** @param bundle PEM; absent: none */
const certificatesOf = (bundle = ''): X509Certificate[] => pemCertificates(bundle).map((pem) => new X509Certificate(pem));
