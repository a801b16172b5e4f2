/**
 * Shuffle sharding: a hash of the flow selects a few queues, its hand, in which the flow may wait. Two flows rarely have the same
 * hand, so a flow that fills its queues usually leaves the others a queue.
 *
 * Source: apiserver `pkg/util/shufflesharding`, `pkg/util/flowcontrol/apf_controller.go` (hashFlowID).
 */
import { createHash } from 'node:crypto';

/** How many flows' hands are remembered: hashing is the most expensive step of flow control for a request. */
const maxRemembered = 4096;

/** Deals each flow a hand of queues. Source: apiserver `pkg/util/shufflesharding`. */
export class Dealer {
  readonly #deckSize: number;
  readonly #handSize: number;
  readonly #hands = new Map<string, readonly number[]>();

  constructor(deckSize: number, handSize: number) {
    this.#deckSize = deckSize;
    this.#handSize = handSize;
  }

  /** The hand of a flow. @param distinguisher a user or a namespace, or '' */
  hand(schema: string, distinguisher: string): readonly number[] {
    const key = `${schema}\0${distinguisher}`;
    const known = this.#hands.get(key);
    if (known !== undefined) return known;
    if (this.#hands.size >= maxRemembered) this.#hands.clear();
    const hash = createHash('sha256').update(key).digest().readBigUInt64LE(0);
    const dealt = deal(hash, this.#deckSize, this.#handSize);
    this.#hands.set(key, dealt);
    return dealt;
  }
}

/** Different cards of `0 … deckSize - 1`, by the hash alone. Pure. */
export function deal(hash: bigint, deckSize: number, handSize: number): number[] {
  const remainders: number[] = [];
  let rest = hash;
  for (let index = 0; index < handSize; index++) {
    const left = BigInt(deckSize - index);
    remainders.push(Number(rest % left));
    rest /= left;
  }
  return remainders.map((remainder, index) => {
    let card = remainder;
    for (let before = index; before > 0; before--) if (card >= (remainders[before - 1] ?? 0)) card += 1;
    return card;
  });
}
