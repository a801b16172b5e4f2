/**
 * The encoded forms of cached objects (JSON, protobuf, watch frames), kept while they are in use and within a budget of bytes over all
 * objects, kinds and formats. What has gone is encoded again when somebody asks.
 *
 * There are two generations. New forms go into the young one. When that fills half of the budget, it becomes the old one, and the forms of
 * the previous old one that were not used meanwhile are dropped. This approximates "least recently used" without a sorted list.
 */

/** One encoded form; `bytes` is undefined once it has been dropped. Whoever uses it sets `isUsed`, so that it stays. */
export interface Encoding {
  bytes: Uint8Array | undefined;
  isUsed: boolean;
}

/** In bytes: what a kept form costs besides its content. */
const overheadBytes = 128;
/** The budget for all encoded forms together. */
export const defaultBudgetBytes = 64 << 20;

/** The two generations of encoded forms; see the top of this file. */
export class EncodedBytes {
  readonly #budgetBytes: number;
  #young: Encoding[] = [];
  #youngBytes = 0;
  #old: Encoding[] = [];
  #oldBytes = 0;

  constructor(budgetBytes = defaultBudgetBytes) {
    this.#budgetBytes = budgetBytes;
  }

  /** What is kept now, in bytes. */
  get size(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** Keeps a form. {@link Encoding.bytes} becomes undefined once it has been dropped. */
  keep(bytes: Uint8Array): Encoding {
    const kept: Encoding = { bytes, isUsed: false };
    this.#add(kept, bytes);
    if (this.#youngBytes > this.#budgetBytes / 2) this.#turn();
    return kept;
  }

  /**
   * Begins a new generation, which drops the forms that have not been used for two: called regularly, for a server that has nothing to do.
   */
  rest(): void {
    if (this.size > 0) this.#turn();
  }

  #add(kept: Encoding, bytes: Uint8Array): void {
    this.#young.push(kept);
    this.#youngBytes += bytes.length + overheadBytes;
  }

  #turn(): void {
    const leaving = this.#old;
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = [];
    this.#youngBytes = 0;
    for (const kept of leaving) {
      if (kept.bytes !== undefined && kept.isUsed && this.#youngBytes < this.#budgetBytes / 4) {
        kept.isUsed = false;
        this.#add(kept, kept.bytes);
      } else kept.bytes = undefined;
    }
  }
}
