/** Equal ranges cut out of a larger one, for the pods of each node. Pure; IPv4 and IPv6. */
import { type CidrRange, overlap } from '#api/cidr.ts';

/**
 * The next free part of `cluster`, beginning after the last one given (so that a range just given back rests a while).
 * @param after the index of the last one given; -1: none
 * @returns undefined where every part is used
 */
export function nextFree(
  cluster: CidrRange,
  maskSize: number,
  used: readonly CidrRange[],
  after: number,
): { cidr: CidrRange; index: number } | undefined {
  const count = 2 ** Math.min(16, maskSize - cluster.prefixLength);
  const size = 1n << BigInt(cluster.bits - maskSize);
  for (let step = 1; step <= count; step++) {
    const index = (after + step) % count;
    const cidr: CidrRange = { first: cluster.first + BigInt(index) * size, prefixLength: maskSize, bits: cluster.bits };
    if (!used.some((one) => overlap(one, cidr))) return { cidr, index };
  }
  return undefined;
}
