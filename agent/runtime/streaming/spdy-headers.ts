/**
 * Header blocks of SPDY/3.1, and their compression with the protocol's own dictionary.
 *
 * Source: draft-mbelshe-httpbis-spdy-00, section 2.6.10.
 */
import { constants, type Deflate, type Inflate } from 'node:zlib';

/** The headers of a stream. Names are in lower case. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** The words and the text of the dictionary in the draft, section 2.6.10.1. Each word has its length before it. */
const dictionaryWords = (
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization ' +
  'cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range ' +
  'content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified ' +
  'location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding ' +
  'upgrade user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin'
).split(' ');
const dictionaryText =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information' +
  '204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error' +
  '501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, ' +
  'Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,' +
  'publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

const prefixed = (text: string): Buffer => Buffer.concat([uint32(Buffer.byteLength(text)), Buffer.from(text)]);

/** The dictionary with which the header compression of both sides starts. */
export const spdyDictionary = (): Buffer =>
  Buffer.concat([...dictionaryWords.map((word) => prefixed(word.replace('_', ' '))), Buffer.from(dictionaryText)]);

/** The numbers as 32-bit words in network order. */
export function uint32(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => buffer.writeUInt32BE(value >>> 0, index * 4));
  return buffer;
}

/** The header block, not compressed yet. The inverse of {@link decodeHeaders}. */
export function encodeHeaders(headers: SpdyHeaders): Buffer {
  const pairs = Object.entries(headers);
  return Buffer.concat([
    uint32(pairs.length),
    ...pairs.flatMap(([name, value]) => [prefixed(name.toLowerCase()), prefixed(value)]),
  ]);
}

/** Parses a header block. @throws RangeError when it is malformed */
export function decodeHeaders(block: Buffer): SpdyHeaders {
  // A header may have any name, `__proto__` too.
  const headers = Object.create(null) as Record<string, string>;
  let offset = 4;
  const text = (): string => {
    const start = offset + 4;
    const end = start + block.readUInt32BE(offset);
    if (end > block.length) throw new RangeError('a SPDY header is longer than its block');
    offset = end;
    return block.toString('utf8', start, end);
  };
  for (let count = block.readUInt32BE(0); count > 0; count--) {
    const name = text();
    headers[name] = text();
  }
  return headers;
}

/**
 * Passes a block through a compressor or decompressor that keeps its state between blocks. 64 KiB may expand to 64 MiB, so the
 * output is limited to `maxBytes`. @throws Error beyond that limit, and for malformed input; the codec cannot be used afterwards
 */
export async function through(codec: Deflate | Inflate, block: Buffer, maxBytes = Number.POSITIVE_INFINITY): Promise<Buffer> {
  if (codec.destroyed) throw new Error('the streaming connection is closed');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) reject(new Error(`SPDY headers of more than ${maxBytes} bytes`));
  };
  const closed = (): void => reject(new Error('the streaming connection is closed'));
  codec.on('data', take).once('error', reject).once('close', closed);
  codec.write(block);
  // The codec has emitted all its output one turn of the event loop later.
  codec.flush(constants.Z_SYNC_FLUSH, () => setImmediate(resolve));
  try {
    await promise;
  } finally {
    codec.off('data', take).off('error', reject).off('close', closed);
  }
  return Buffer.concat(chunks);
}
