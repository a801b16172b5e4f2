/** What a request over HTTPS says of its sender: the client certificate of its connection, and the headers with a token. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { type Credentials, withoutToken } from '../authentication/authentication.ts';

const protocolHeader = 'sec-websocket-protocol';

/** For authentication. */
export function credentialsOf(request: Http2ServerRequest): Credentials {
  const socket = tlsSocketOf(request);
  return {
    certificate: verifiedCertificate(request.stream?.session ?? socket, socket),
    authorization: request.headers.authorization,
    protocols: request.headers.upgrade?.toLowerCase() === 'websocket' ? request.headers[protocolHeader] : undefined,
  };
}

/** Asking TLS for it means parsing it: once for each connection is enough. */
const certificates = new WeakMap<object, { certificate: PeerCertificate | undefined }>();

function verifiedCertificate(connection: object, socket: TLSSocket): PeerCertificate | undefined {
  let known = certificates.get(connection);
  if (known === undefined) {
    const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
    // Without a certificate Node gives an empty object.
    known = { certificate: certificate?.raw === undefined ? undefined : certificate };
    certificates.set(connection, known);
  }
  return known.certificate;
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
  for (const [name, value] of Object.entries(headers)) {
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
