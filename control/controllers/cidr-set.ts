/** Equal ranges cut out of a larger one, for the pods of each node. Pure; IPv4 and IPv6. */
import { isIP } from 'node:net';

export interface CidrRange {
  first: bigint;
  prefixLength: number;
  bits: 32 | 128;
}

/** @throws RangeError for text that is no CIDR */
export function parseCidr(text: string): CidrRange {
  const [address = '', length = ''] = text.split('/');
  const family = isIP(address);
  const bits = family === 6 ? 128 : 32;
  if (family === 0 || !/^\d+$/.test(length) || Number(length) > bits) throw new RangeError(`invalid CIDR address: ${text}`);
  const host = BigInt(bits - Number(length));
  return { first: (addressToNumber(address) >> host) << host, prefixLength: Number(length), bits };
}

export function addressToNumber(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  const [head = '', tail] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array.from({ length: zeros }, () => '0'), ...right].reduce(
    (sum, part) => (sum << 16n) | BigInt(`0x${part}`),
    0n,
  );
}

export function formatCidr({ first, prefixLength, bits }: CidrRange): string {
  if (bits === 32) return `${[24n, 16n, 8n, 0n].map((shift) => (first >> shift) & 0xffn).join('.')}/${prefixLength}`;
  const groups = Array.from({ length: 8 }, (_, index) => ((first >> BigInt(16 * (7 - index))) & 0xffffn).toString(16));
  // The URL parser writes addresses in their shortest form (RFC 5952).
  return `${new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)}/${prefixLength}`;
}

export function overlap(a: CidrRange, b: CidrRange): boolean {
  if (a.bits !== b.bits) return false;
  const shift = BigInt(a.bits - Math.min(a.prefixLength, b.prefixLength));
  return a.first >> shift === b.first >> shift;
}

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
