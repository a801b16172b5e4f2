/** Answers, whole or streamed, in the shape of {@link TransportResponse}. */
import { errorText } from '#api/error-text.ts';
import { jsonText } from '#api/go-json.ts';
import type { JsonObject } from '#api/json.ts';
import { ApiError, failure, internalError, unknownError } from '#api/status.ts';
import { type TransportResponse, WholeBody } from '#client/transport.ts';
import { letOthersIn } from '#client/turns.ts';
import { StoreError } from '#control/store/errors.ts';
import { contentTypeOf, type Format } from './negotiation.ts';
import { encodeAny } from './wire.ts';

/** An answer whose body is complete. */
export function bytesResponse(
  status: number,
  contentType: string,
  bytes: Uint8Array,
  headers: Record<string, string> = {},
): TransportResponse {
  return {
    status,
    headers: { 'content-type': contentType, 'content-length': String(bytes.length), ...headers },
    body: new WholeBody(bytes),
  };
}

/**
 * An answer in pieces, each made when the client has taken those before. A body of one piece is sent as a whole.
 * @param pieces one without content lets others in before the next one is made @throws what making the first piece throws
 */
export async function piecesResponse(
  status: number,
  contentType: string,
  pieces: Iterator<Uint8Array>,
): Promise<TransportResponse> {
  // The first piece is made now: when encoding fails, an error can still be answered.
  const first = await nextPiece(pieces);
  const second = first.done === true ? first : await nextPiece(pieces);
  if (first.done === true || second.done === true) return bytesResponse(status, contentType, first.value ?? new Uint8Array());
  async function* body(): AsyncGenerator<Uint8Array> {
    yield first.value;
    for (let next = second; next.done !== true; next = await nextPiece(pieces)) yield next.value;
  }
  return { status, headers: { 'content-type': contentType }, body: body() };
}

async function nextPiece(pieces: Iterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  for (;;) {
    const next = pieces.next();
    if (next.done === true || next.value.length > 0) return next;
    await letOthersIn();
  }
}

/** A plain text. */
export const textResponse = (status: number, text: string, headers: Record<string, string> = {}): TransportResponse =>
  bytesResponse(status, 'text/plain; charset=utf-8', Buffer.from(text), { 'x-content-type-options': 'nosniff', ...headers });

/** Any value as JSON, for paths that negotiate no format. */
export const jsonResponse = (status: number, body: unknown, headers: Record<string, string> = {}): TransportResponse =>
  bytesResponse(status, 'application/json', Buffer.from(`${jsonText(body)}\n`), headers);

/** An object that is in no cache, in the negotiated format. @throws ApiError 406 when it has no protobuf form */
export function objectResponse(status: number, object: JsonObject, format: Format, pretty: boolean): TransportResponse {
  return bytesResponse(status, contentTypeOf(format), encodeAny(object, { format, pretty }));
}

/** What Go's mux answers for a path that nothing serves. */
export const pageNotFound = (): TransportResponse => textResponse(404, '404 page not found\n');

/** etcd's text for a store that is full, which upstream passes on to clients. The log names the file. */
const storeFull =
  "etcdserver: mvcc: database space exceeded: no space is left on the disk of the API server's store, so nothing was changed";

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreError && error.code === 'full') return unknownError(storeFull);
  if (error instanceof StoreError && error.code === 'unavailable')
    return failure(504, 'Timeout', `Timeout: ${error.message}`, { retryAfterSeconds: 1 });
  return internalError(errorText(error));
}

/** The Status of an error. An error that is no ApiError is answered as an internal error, without its stack. */
export function errorResponse(error: unknown, format: Format, pretty: boolean): TransportResponse {
  const { status } = toApiError(error);
  const retry = status.details?.retryAfterSeconds;
  const response = bytesResponse(status.code ?? 500, contentTypeOf(format), encodeAny(status, { format, pretty }));
  // As upstream, 0 seconds give no header: with one, clients would ask again at once (an eviction that a budget forbids).
  if (retry !== undefined && retry > 0) response.headers['retry-after'] = String(retry);
  return response;
}

/** A Status of success, for requests that answer with no object. */
export function successResponse(code: number, format: Format, pretty: boolean): TransportResponse {
  return objectResponse(code, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code }, format, pretty);
}
