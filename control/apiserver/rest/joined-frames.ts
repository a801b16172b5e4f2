/** Watch frames joined into one piece. Watchers of the same changes share the piece, so that it is joined once. */

interface Joined {
  frames: readonly Uint8Array[];
  piece: Uint8Array;
}

/** How many pieces are kept. Few are enough: watchers of the same changes ask one after the other, in a handful of formats. */
const keptPieces = 8;
/** In bytes. A larger piece is not kept: it is joined again for each watcher. */
const maxKeptBytes = 64 * 1024;

/** The pieces that were joined last. */
export class JoinedFrames {
  #kept: Joined[] = [];

  /** The frames as one piece. @param frames at least one; never changed afterwards */
  of(frames: readonly Uint8Array[]): Uint8Array {
    if (frames.length === 1) return frames[0] as Uint8Array;
    const known = this.#kept.find((one) => isSame(one.frames, frames));
    if (known !== undefined) return known.piece;
    const piece = Buffer.concat(frames);
    if (piece.length <= maxKeptBytes) this.#kept = [{ frames, piece }, ...this.#kept.slice(0, keptPieces - 1)];
    return piece;
  }
}

const isSame = (some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean =>
  some.length === others.length && some.every((frame, index) => frame === others[index]);
