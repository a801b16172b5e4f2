/**
 * Pieces of an answer as chunks of HTTP/1.1.
 *
 * Source: RFC 9112, 7.1.
 */

interface Chunk {
  piece: Uint8Array;
  framed: Uint8Array;
}

/** Number of chunks kept for reuse: all watchers of a change ask for the same piece, one after the other. */
const keptChunks = 4;
const end = Buffer.from('\r\n');

/** Makes the chunks of HTTP/1.1's chunked encoding (RFC 9112, section 7.1). */
export class ChunkFrames {
  #kept: Chunk[] = [];

  /** The last few of the same piece are the same bytes. @param piece not empty, and not changed afterwards */
  of(piece: Uint8Array): Uint8Array {
    for (const known of this.#kept) if (known.piece === piece) return known.framed;
    const framed = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, end]);
    this.#kept = [{ piece, framed }, ...this.#kept.slice(0, keptChunks - 1)];
    return framed;
  }
}
