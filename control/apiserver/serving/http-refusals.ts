/**
 * Requests that Go's net/http answers by itself, before any handler: targets, versions and Host headers that are not valid, and `OPTIONS *`.
 *
 * Source: Go `net/http/server.go` (readRequest, serverHandler, globalOptionsHandler).
 */
import type { Http2ServerRequest } from 'node:http2';
import type { TransportResponse } from '#client/transport.ts';
import { bytesResponse, textResponse } from '../rest/responses.ts';
import { isHost, parseTarget } from './request-target.ts';

/** The answer to such a request; undefined: the request goes on to the filters. */
export function refusal(request: Http2ServerRequest): TransportResponse | undefined {
  const { method } = request;
  // HTTP/2 has no target for CONNECT, and none may be named (RFC 9113, 8.5).
  const target = (request.url as string | undefined) ?? '';
  if (request.httpVersionMajor !== 2 || request.stream === undefined) {
    if (request.httpVersionMajor > 1) return plain(505, 'HTTP Version Not Supported: unsupported protocol version');
    if (request.httpVersionMajor < 1) return plain(400, 'Bad Request: malformed HTTP version');
    const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length;
    if (hosts > 1) return plain(400, 'Bad Request: too many Host headers');
    // Node takes 64 bits, Go one less. (Over HTTP/2 Go passes over a length that is none.)
    const length = request.headers['content-length'] ?? '0';
    if (Number(length) >= 2 ** 63) return plain(400, 'Bad Request');
  }
  const host = request.headers[':authority'] ?? request.headers.host ?? '';
  if (!isHost(host)) return plain(400, 'Bad Request: malformed Host header');
  if (method === 'OPTIONS' && target === '*') return bytesResponse(200, 'text/plain', new Uint8Array());
  const isTarget = target === '' ? method === 'CONNECT' : parseTarget(method, target) !== undefined;
  return isTarget ? undefined : plain(400, 'Bad Request');
}

const plain = (status: number, text: string): TransportResponse =>
  textResponse(status, `${status} ${text}`, { connection: 'close' });
