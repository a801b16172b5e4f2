/** Watch frames put together: all watchers of the same changes are sent the same bytes. */

interface Joined {
  frames: readonly Uint8Array[];
  piece: Uint8Array;
}

/** So many are kept: watchers of the same changes ask one after the other, but in several formats. */
const keptPieces = 8;
/** Larger ones are made for each, so that none of them stays. */
const maxKeptBytes = 64 * 1024;

export class JoinedFrames {
  #kept: Joined[] = [];

  /** @param frames some, and they are not changed afterwards */
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
