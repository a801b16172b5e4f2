/** Divides a CIDR into equal parts, one for the pods of each node. Pure; IPv4 and IPv6. */
import { addressBits, type Cidr, overlap } from '#api/ip.ts';

/**
 * Finds the next free part of `cluster`. The search begins after the part that was allocated last, so that a released part is not
 * used again at once.
 * @param after index of the part that was allocated last; -1: none
 * @returns undefined when every part is used
 */
export function nextFree(
  cluster: Cidr,
  maskSize: number,
  used: readonly Cidr[],
  after: number,
): { cidr: Cidr; index: number } | undefined {
  const count = 2 ** Math.min(16, maskSize - cluster.prefixLength);
  const size = 1n << BigInt(addressBits[cluster.family] - maskSize);
  for (let step = 1; step <= count; step++) {
    const index = (after + step) % count;
    const cidr: Cidr = { family: cluster.family, first: cluster.first + BigInt(index) * size, prefixLength: maskSize };
    if (!used.some((one) => overlap(one, cidr))) return { cidr, index };
  }
  return undefined;
}
