/**
 * Large answers, compressed for clients that ask for it: what comes is passed through zlib as the client takes it.
 *
 * Source: apiserver `pkg/endpoints/handlers/responsewriters/writers.go` (from 128 KiB on, level 1).
 */
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';

const thresholdBytes = 128 * 1024;

/** The same answer where it is small, or not for a client that takes gzip. Never for streams without end. */
export async function compressed(request: TransportRequest, response: TransportResponse): Promise<TransportResponse> {
  if (request.method !== 'GET' || !/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return response;
  if (response.headers['content-encoding'] !== undefined) return response;
  const length = response.headers['content-length'];
  if (length !== undefined && Number(length) <= thresholdBytes) return response;
  const source = response.body[Symbol.asyncIterator]();
  const begin: Uint8Array[] = [];
  let bytes = 0;
  while (bytes <= thresholdBytes) {
    const { value, done } = await source.next();
    if (done === true)
      return { ...response, headers: { ...response.headers, 'content-length': String(bytes) }, body: whole(begin) };
    begin.push(value);
    bytes += value.length;
  }
  const { 'content-length': _, ...headers } = response.headers;
  return {
    ...response,
    headers: { ...headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' },
    body: throughGzip(begin, source),
  };
}

async function* whole(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

async function* throughGzip(begin: Uint8Array[], source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  async function* all(): AsyncGenerator<Uint8Array> {
    // Each is let go of once it has been compressed.
    for (let piece = begin.shift(); piece !== undefined; piece = begin.shift()) yield piece;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
  }
  const gzip = createGzip({ level: 1, chunkSize: 16 * 1024 });
  const input = Readable.from(all(), { objectMode: true, highWaterMark: 1 });
  // An error of the source is the answer's: it breaks off.
  input.on('error', (error) => gzip.destroy(error));
  input.pipe(gzip);
  try {
    yield* gzip as AsyncIterable<Uint8Array>;
  } finally {
    input.destroy();
    gzip.destroy();
    await source.return?.();
  }
}
