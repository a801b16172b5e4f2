/**
 * A watch over a WebSocket: one message for each event, as text where the events are text (JSON), without the lengths that frame protobuf
 * in an HTTP answer.
 *
 * Upstream takes one subprotocol, whatever its name, and sends the same under each of them: `base64.binary.k8s.io` changes nothing here.
 * It also refuses clients that send no Origin, which helps nobody: here they are served.
 *
 * Source: apiserver `pkg/endpoints/handlers/watch.go` (HandleWS), golang.org/x/net/websocket (checkOrigin, AcceptHandshake).
 */
import type { IncomingHttpHeaders } from 'node:http';
import { badRequest, failure } from '#api/status.ts';
import type { TransportResponse } from '#client/transport.ts';
import { mediaTypeOf } from '../rest/negotiation.ts';
import type { RequestInfo } from '../rest/request-info.ts';

/** Whether a request wants its watch over a WebSocket; any other offer to upgrade is passed over. */
export function wantsWebSocketWatch({ verb }: RequestInfo, method: string | undefined, headers: IncomingHttpHeaders): boolean {
  return verb === 'watch' && method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/** The subprotocol to agree on; empty for none. @throws ApiError 400, 403 */
export function negotiateWatch(headers: Readonly<Record<string, string>>): string {
  const origin = headers['origin'] ?? '';
  if (origin !== '' && !origin.startsWith('/') && !URL.canParse(origin)) throw failure(403, 'Forbidden', 'invalid origin', {});
  const [protocol = '', ...more] = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (more.length > 0) throw badRequest('a watch takes one subprotocol');
  return protocol;
}

/** The events of a watch's answer, one by one: its pieces end where events end. */
export async function* watchMessages({ headers, body }: TransportResponse): AsyncGenerator<Uint8Array | string> {
  const isJson = mediaTypeOf(headers['content-type']) === 'application/json';
  for await (const piece of body) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    if (isJson) yield* lines(bytes);
    else yield* delimited(bytes);
  }
}

/** One message for each line, with its line end, as upstream's encoder leaves it. */
function* lines(bytes: Buffer): Generator<string> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start) + 1 || bytes.length;
    yield bytes.toString('utf8', start, end);
    start = end;
  }
}

const lengthBytes = 4;

function* delimited(bytes: Buffer): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; ) {
    const from = start + lengthBytes;
    start = from + bytes.readUInt32BE(start);
    yield bytes.subarray(from, start);
  }
}
