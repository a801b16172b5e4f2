/**
 * IP addresses and CIDRs, IPv4 and IPv6: read, written, compared. Pure.
 *
 * Two ways to read. The strict one takes what Go's `net/netip` takes: for flags, and wherever the text goes on to a program. The sloppy one
 * also takes what Kubernetes took before it became strict, in objects that are stored still: leading zeros, which are ignored, and IPv4
 * addresses written as IPv6.
 *
 * Source: RFC 4291, RFC 4632, RFC 5952 (the form that is written); k8s.io/utils/net, ParseIPSloppy and ParseCIDRSloppy.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** As the API spells it (Service `spec.ipFamilies`, EndpointSlice `addressType`). */
export type IpFamily = 'IPv4' | 'IPv6';

export interface IpAddress {
  family: IpFamily;
  value: bigint;
  /** In canonical form (RFC 5952), so that texts can be compared. */
  text: string;
}

/** A network: its addresses, whatever the family, are `first` and what follows with the same `prefixLength` bits. */
export interface Cidr {
  family: IpFamily;
  /** The network's own address: bits beyond the prefix are 0. */
  first: bigint;
  prefixLength: number;
}

/** How many bits an address has. */
export const addressBits: Readonly<Record<IpFamily, number>> = { IPv4: 32, IPv6: 128 };

/** Strictly; undefined for what is no address, and for one with a zone (`fe80::1%eth0`), which means nothing elsewhere. */
export function parseIp(text: unknown): IpAddress | undefined {
  if (typeof text !== 'string') return undefined;
  if (isIPv4(text)) return { family: 'IPv4', value: ipv4Value(text), text };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  // The URL parser serialises by the WHATWG rules, which are those of RFC 5952.
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  return { family: 'IPv6', value: ipv6Value(canonical), text: canonical };
}

/** Leading zeros are ignored, and an IPv4 address within IPv6 (`::ffff:10.0.0.1`) is the IPv4 address. */
export function parseIpSloppy(text: unknown): IpAddress | undefined {
  const ip = typeof text === 'string' ? parseIp(withoutLeadingZeros(text)) : undefined;
  return ip !== undefined && isMapped(ip) ? ipAddress('IPv4', ip.value & 0xffff_ffffn) : ip;
}

/** Whether it is an IPv4 address within IPv6 (RFC 4291, 2.5.5.2). */
export const isMapped = ({ family, value }: IpAddress): boolean => family === 'IPv6' && value >> 32n === 0xffffn;

/** The address of this number; the caller keeps it within the family's bits. */
export function ipAddress(family: IpFamily, value: bigint): IpAddress {
  if (family === 'IPv4') return { family, value, text: [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.') };
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(16 * (7 - index))) & 0xffffn).toString(16));
  return { family, value, text: new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1) };
}

/** Strictly; bits beyond the prefix are dropped. Undefined for what is no CIDR. */
export function parseCidr(text: unknown): Cidr | undefined {
  return readCidr(text, parseIp, /^(0|[1-9]\d{0,2})$/);
}

/** As {@link parseCidr}, but leading zeros are ignored, in the address and in the prefix length. */
export function parseCidrSloppy(text: unknown): Cidr | undefined {
  return readCidr(text, (address) => parseIp(withoutLeadingZeros(address)), /^\d+$/);
}

/** Strictly, and only in the form that {@link formatCidr} writes: canonical, with no bits beyond the prefix. */
export function parseNetwork(text: unknown): Cidr | undefined {
  const cidr = parseCidr(text);
  return cidr !== undefined && formatCidr(cidr) === text ? cidr : undefined;
}

/** {@link parseCidr} of what must be one. @throws RangeError with Go's text otherwise */
export function mustParseCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new RangeError(`invalid CIDR address: ${text}`);
  return cidr;
}

export const formatCidr = ({ family, first, prefixLength }: Cidr): string => `${ipAddress(family, first).text}/${prefixLength}`;

/** The range of this one address: `/32` or `/128`. */
export const cidrOf = ({ family, value }: IpAddress): Cidr => ({ family, first: value, prefixLength: addressBits[family] });

/** Whether they share addresses: never across families. */
export function overlap(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  const shift = BigInt(addressBits[a.family] - Math.min(a.prefixLength, b.prefixLength));
  return a.first >> shift === b.first >> shift;
}

/** Whether all of `inner` lies in `outer`. */
export const contains = (outer: Cidr, inner: Cidr): boolean => outer.prefixLength <= inner.prefixLength && overlap(outer, inner);

export const containsIp = (cidr: Cidr, ip: IpAddress): boolean => contains(cidr, cidrOf(ip));

/** The family of an address or CIDR that has been checked; of anything else, IPv4. */
export const familyOf = (text: string): IpFamily => (isIPv6(text.split('/', 1)[0] ?? '') ? 'IPv6' : 'IPv4');

/** `10.0.0.1:80`, `[fd00::1]:80` (Go's net.JoinHostPort). */
export const joinHostPort = (host: string, port: number | string): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

function readCidr(text: unknown, read: (address: string) => IpAddress | undefined, length: RegExp): Cidr | undefined {
  if (typeof text !== 'string') return undefined;
  const slash = text.indexOf('/');
  const ip = slash < 0 ? undefined : read(text.slice(0, slash));
  const lengthText = text.slice(slash + 1);
  if (ip === undefined || !length.test(lengthText) || Number(lengthText) > addressBits[ip.family]) return undefined;
  const hostBits = BigInt(addressBits[ip.family] - Number(lengthText));
  return { family: ip.family, first: (ip.value >> hostBits) << hostBits, prefixLength: Number(lengthText) };
}

/** `010.0.0.1` → `10.0.0.1`, also at the end of an IPv6 address; a group of IPv6 is cut to four digits. */
const withoutLeadingZeros = (text: string): string =>
  text
    .replace(/(?:^|:)\d+(?:\.\d+){3}$/, (quad) => quad.replaceAll(/(^|[.:])0+(?=\d)/g, '$1'))
    .replaceAll(/(^|:)0+(?=[\da-f]{4}(?:$|:))/gi, '$1');

const ipv4Value = (text: string): bigint => text.split('.').reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n);

/** @param canonical as the URL parser writes it: also an IPv4 tail is in hexadecimal */
function ipv6Value(canonical: string): bigint {
  const [head = '', tail] = canonical.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}
