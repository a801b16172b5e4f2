/**
 * IP addresses and CIDRs, IPv4 and IPv6: parse, format, compare. Pure.
 *
 * There are two parsers. The strict one accepts what Go's `net/netip` accepts; it is for flags, and for text that is passed on to
 * a program. The sloppy one also accepts what Kubernetes accepted before it became strict, because stored objects may contain it:
 * leading zeros, which are ignored, and IPv4 addresses written as IPv6.
 *
 * Source: RFC 4291, RFC 4632, RFC 5952 (the canonical form); k8s.io/utils/net, ParseIPSloppy and ParseCIDRSloppy.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** The family's name in the API (Service `spec.ipFamilies`, EndpointSlice `addressType`). */
export type IpFamily = 'IPv4' | 'IPv6';

/** A parsed IP address. */
export interface IpAddress {
  family: IpFamily;
  value: bigint;
  /** The canonical form (RFC 5952), so that texts can be compared. */
  text: string;
}

/** A network: the addresses that begin with the same `prefixLength` bits as `first`. */
export interface Cidr {
  family: IpFamily;
  /** The network's own address: all bits after the prefix are 0. */
  first: bigint;
  prefixLength: number;
}

/** The number of bits of an address. */
export const addressBits: Readonly<Record<IpFamily, number>> = { IPv4: 32, IPv6: 128 };

/**
 * Parses strictly. Undefined for text that is no address, and for one with a zone (`fe80::1%eth0`), which has a meaning only on
 * its own machine.
 */
export function parseIp(text: unknown): IpAddress | undefined {
  if (typeof text !== 'string') return undefined;
  if (isIPv4(text)) return { family: 'IPv4', value: ipv4Value(text), text };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  // The URL parser's canonical form is that of RFC 5952.
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  return { family: 'IPv6', value: ipv6Value(canonical), text: canonical };
}

/**
 * Parses leniently: leading zeros are ignored, and an IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) becomes the IPv4 address.
 * Undefined for text that is no address.
 */
export function parseIpSloppy(text: unknown): IpAddress | undefined {
  const ip = typeof text === 'string' ? parseIp(withoutLeadingZeros(text)) : undefined;
  return ip !== undefined && isMapped(ip) ? ipAddress('IPv4', ip.value & 0xffff_ffffn) : ip;
}

/** Whether the address is an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2). */
export const isMapped = ({ family, value }: IpAddress): boolean => family === 'IPv6' && value >> 32n === 0xffffn;

/** The address with this number. `value` must fit into the family's bits. */
export function ipAddress(family: IpFamily, value: bigint): IpAddress {
  if (family === 'IPv4') return { family, value, text: [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.') };
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(16 * (7 - index))) & 0xffffn).toString(16));
  return { family, value, text: new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1) };
}

/** Parses a CIDR strictly. Bits after the prefix are set to 0. Undefined for text that is no CIDR. */
export function parseCidr(text: unknown): Cidr | undefined {
  return readCidr(text, parseIp, /^(0|[1-9]\d{0,2})$/);
}

/** Like {@link parseCidr}, but leading zeros in the address and in the prefix length are ignored. */
export function parseCidrSloppy(text: unknown): Cidr | undefined {
  return readCidr(text, (address) => parseIp(withoutLeadingZeros(address)), /^\d+$/);
}

/**
 * Parses a CIDR strictly, and only in the form that {@link formatCidr} writes: canonical, without bits after the prefix.
 * Undefined otherwise.
 */
export function parseNetwork(text: unknown): Cidr | undefined {
  const cidr = parseCidr(text);
  return cidr !== undefined && formatCidr(cidr) === text ? cidr : undefined;
}

/** Like {@link parseCidr}, but @throws RangeError with Go's text instead of returning undefined */
export function mustParseCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new RangeError(`invalid CIDR address: ${text}`);
  return cidr;
}

/** The canonical text of a CIDR. */
export const formatCidr = ({ family, first, prefixLength }: Cidr): string => `${ipAddress(family, first).text}/${prefixLength}`;

/** The CIDR of a single address: `/32` or `/128`. */
export const cidrOf = ({ family, value }: IpAddress): Cidr => ({ family, first: value, prefixLength: addressBits[family] });

/** Whether two CIDRs share addresses. CIDRs of different families never do. */
export function overlap(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  const shift = BigInt(addressBits[a.family] - Math.min(a.prefixLength, b.prefixLength));
  return a.first >> shift === b.first >> shift;
}

/** Whether all addresses of `inner` are in `outer`. */
export const contains = (outer: Cidr, inner: Cidr): boolean => outer.prefixLength <= inner.prefixLength && overlap(outer, inner);

/** Whether the address is in the CIDR. */
export const containsIp = (cidr: Cidr, ip: IpAddress): boolean => contains(cidr, cidrOf(ip));

/** The family of an address or CIDR that has been validated. IPv4 for any other text. */
export const familyOf = (text: string): IpFamily => (isIPv6(text.split('/', 1)[0] ?? '') ? 'IPv6' : 'IPv4');

/** `10.0.0.1:80`, `[fd00::1]:80` (like Go's net.JoinHostPort). */
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

/**
 * Removes leading zeros: `010.0.0.1` → `10.0.0.1`, also at the end of an IPv6 address. A group of IPv6 keeps its last four
 * digits.
 */
const withoutLeadingZeros = (text: string): string =>
  !/(?:^|[.:])0[\da-f]/i.test(text)
    ? text
    : text
        .replace(/(?:^|:)\d+(?:\.\d+){3}$/, (quad) => quad.replaceAll(/(^|[.:])0+(?=\d)/g, '$1'))
        .replaceAll(/(^|:)0+(?=[\da-f]{4}(?:$|:))/gi, '$1');

/** Character by character: one Endpoints object may have tens of thousands of addresses. */
function ipv4Value(text: string): bigint {
  let [sum, octet] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x2e) [sum, octet] = [sum * 256 + octet, 0];
    else octet = octet * 10 + code - 0x30;
  }
  return BigInt(sum * 256 + octet);
}

/** @param canonical the form of the URL parser, in which an IPv4 tail is hexadecimal too */
function ipv6Value(canonical: string): bigint {
  const [head = '', tail] = canonical.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}
