/** Ranges of addresses as numbers, IPv4 and IPv6. Pure. */
import { isIP } from 'node:net';

export interface CidrRange {
  /** The network's address: host bits are cleared. */
  first: bigint;
  prefixLength: number;
  bits: 32 | 128;
}

/** @throws RangeError for text that is no CIDR */
export function parseCidr(text: string): CidrRange {
  const [address = '', length = ''] = text.split('/');
  const family = isIP(address);
  const bits = family === 6 ? 128 : 32;
  if (family === 0 || address.includes('%') || !/^\d{1,3}$/.test(length) || Number(length) > bits)
    throw new RangeError(`invalid CIDR address: ${text}`);
  const host = BigInt(bits - Number(length));
  return { first: (addressToNumber(address) >> host) << host, prefixLength: Number(length), bits };
}

/** @param address one that `isIP` takes */
export function addressToNumber(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  // The URL parser writes an IPv4 tail (`::ffff:10.0.0.1`) in hexadecimal.
  const [head = '', tail] = (address.includes('.') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address).split('::');
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

/** Whether all of `inner` lies in `outer`. */
export const contains = (outer: CidrRange, inner: CidrRange): boolean =>
  outer.prefixLength <= inner.prefixLength && overlap(outer, inner);

/** Undefined for text that is no CIDR, or none in canonical form with host bits cleared. */
export function parseNetwork(text: unknown): CidrRange | undefined {
  if (typeof text !== 'string' || text.length > 49) return undefined;
  try {
    const range = parseCidr(text);
    return formatCidr(range) === text ? range : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The range of one address; undefined for what is none. */
export function addressRange(address: unknown): CidrRange | undefined {
  if (typeof address !== 'string' || address.includes('%')) return undefined;
  const family = isIP(address);
  const bits = family === 6 ? 128 : 32;
  return family === 0 ? undefined : { first: addressToNumber(address), prefixLength: bits, bits };
}
