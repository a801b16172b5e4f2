/** What a request over HTTPS says of its sender: the client certificate of its connection, and the headers with a token. */
import type { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { withoutToken } from '#api/bearer-token.ts';
import type { Credentials } from '../authentication/authentication.ts';
import type { CertificateSigner, ClientCertificate } from '../authentication/authenticator.ts';
import { leadsTo } from '../authentication/client-certificate.ts';
import { headerValues } from '../authentication/header-values.ts';

const protocolHeader = 'sec-websocket-protocol';

/** The CAs that clients' certificates come from. */
export interface ClientAuthorities {
  client: readonly X509Certificate[];
  /** Of a proxy in front; empty: there is none. */
  requestHeader: readonly X509Certificate[];
}

/** For authentication. */
export function credentialsOf(request: Http2ServerRequest, authorities: ClientAuthorities): Credentials {
  const socket = tlsSocketOf(request);
  return {
    certificate: shownCertificate(request.stream?.session ?? socket, socket, authorities),
    headers: headerValues(request.rawHeaders),
    protocols: request.headers.upgrade?.toLowerCase() === 'websocket' ? request.headers[protocolHeader] : undefined,
  };
}

/** Asking TLS for it means parsing it: once for each connection is enough. */
const certificates = new WeakMap<object, { shown: ClientCertificate | undefined }>();

function shownCertificate(connection: object, socket: TLSSocket, authorities: ClientAuthorities): ClientCertificate | undefined {
  let known = certificates.get(connection);
  if (known === undefined) {
    const hasProxy = authorities.requestHeader.length > 0;
    // Without a certificate Node gives an empty object.
    const certificate = hasProxy ? socket.getPeerCertificate(true) : socket.getPeerCertificate();
    known = { shown: certificate?.raw === undefined ? undefined : asShown(socket, certificate, authorities) };
    certificates.set(connection, known);
  }
  return known.shown;
}

function asShown(
  socket: TLSSocket,
  certificate: ReturnType<TLSSocket['getPeerCertificate']>,
  { client, requestHeader }: ClientAuthorities,
): ClientCertificate {
  if (!socket.authorized) return { certificate, signedBy: [], problem: problemOf(socket.authorizationError as unknown) };
  if (requestHeader.length === 0) return { certificate, signedBy: ['client'] };
  const bySigner: [CertificateSigner, readonly X509Certificate[]][] = [
    ['client', client],
    ['requestHeader', requestHeader],
  ];
  const chain = certificate as DetailedPeerCertificate;
  const signedBy = bySigner.filter(([, signers]) => leadsTo(chain, signers)).map(([signer]) => signer);
  return { certificate, signedBy };
}

/** OpenSSL's reason in Go's words. */
function problemOf(reason: unknown): string {
  if (reason === 'CERT_HAS_EXPIRED' || reason === 'CERT_NOT_YET_VALID') return 'certificate has expired or is not yet valid';
  if (reason === 'INVALID_PURPOSE') return 'certificate specifies an incompatible key usage';
  return 'certificate signed by unknown authority';
}

/** HTTP/2 hands out a proxy of the socket that keeps TLS methods out of reach of writes, but not of reads. */
export function tlsSocketOf(request: Http2ServerRequest): TLSSocket {
  return (request.stream?.session?.socket ?? request.socket) as TLSSocket;
}

/** The connection, to be destroyed or waited for. */
export const socketOf = (request: Http2ServerRequest): Duplex => request.socket as unknown as Duplex;

/** Lower-case names, one value each: several of one name are joined, as RFC 9110 allows. */
export function plainHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !name.startsWith(':')) plain[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return plain;
}

/** Removes the bearer token from the subprotocols that a WebSocket's client offers: nothing behind authentication may see it. */
export function hideToken(headers: { [protocolHeader]?: string | undefined }): void {
  const offered = headers[protocolHeader];
  if (offered === undefined) return;
  const others = withoutToken(offered);
  if (others === '') delete headers[protocolHeader];
  else headers[protocolHeader] = others;
}
