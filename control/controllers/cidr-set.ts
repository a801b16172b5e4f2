/** Divides a CIDR into equal parts, one for the pods of each node, and knows which are taken. IPv4 and IPv6. */
import { addressBits, type Cidr } from '#api/ip.ts';

/** At most so many parts, as upstream's controller. */
const maxPartBits = 16;

/** The parts of one cluster CIDR. */
export class CidrParts {
  readonly #cluster: Cidr;
  readonly #maskSize: number;
  /** How many addresses a part has, as a shift. */
  readonly #partBits: bigint;
  /** How many ranges lie in each part. */
  readonly #taken: Uint32Array;
  /** The part that was given last. */
  #last = -1;

  /** @param maskSize the prefix length of each part */
  constructor(cluster: Cidr, maskSize: number) {
    this.#cluster = cluster;
    this.#maskSize = maskSize;
    this.#partBits = BigInt(addressBits[cluster.family] - maskSize);
    this.#taken = new Uint32Array(2 ** Math.min(maxPartBits, maskSize - cluster.prefixLength));
  }

  /** The parts that the range lies in are not free any more. A range elsewhere changes nothing. */
  take(range: Cidr): void {
    this.#count(range, 1);
  }

  /** Undoes {@link take} of an equal range. */
  free(range: Cidr): void {
    this.#count(range, -1);
  }

  /**
   * The next free part, which is not taken by that. The search begins after the part that was given last, so that a released part is not used
   * again at once. @returns undefined when every part is taken
   */
  next(): Cidr | undefined {
    const { length } = this.#taken;
    for (let step = 1; step <= length; step++) {
      const index = (this.#last + step) % length;
      if (this.#taken[index] !== 0) continue;
      this.#last = index;
      const { family, first } = this.#cluster;
      return { family, first: first + (BigInt(index) << this.#partBits), prefixLength: this.#maskSize };
    }
    return undefined;
  }

  #count(range: Cidr, by: 1 | -1): void {
    const { family, first, prefixLength } = this.#cluster;
    if (range.family !== family) return;
    const bits = BigInt(addressBits[family] - range.prefixLength);
    const begin = (range.first >> bits) << bits;
    const end = begin + (1n << bits) - 1n;
    const clusterEnd = first + (1n << BigInt(addressBits[family] - prefixLength)) - 1n;
    if (end < first || begin > clusterEnd) return;
    const from = begin < first ? 0 : Number((begin - first) >> this.#partBits);
    const to = end > clusterEnd ? this.#taken.length - 1 : Number((end - first) >> this.#partBits);
    for (let index = from; index <= Math.min(to, this.#taken.length - 1); index++)
      this.#taken[index] = (this.#taken[index] ?? 0) + by;
  }
}
