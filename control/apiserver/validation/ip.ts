/**
 * IP addresses and prefixes, as fields that predate strict validation hold them.
 *
 * Source: apimachinery `pkg/util/validation/ip.go`, with StrictIPCIDRValidation on, as 1.36 has it.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';

/** `10.010.1.1`: old parsers ignored the zeros, others read octal. */
function hasLeadingZeros(value: string): boolean {
  const octets = value.split('.');
  return (
    octets.length === 4 &&
    octets.every((octet) => /^\d{1,3}$/.test(octet)) &&
    isIPv4(octets.map(Number).join('.')) &&
    !isIPv4(value)
  );
}

const isMapped = (value: string): boolean => /^(0{0,4}:){1,5}:?ffff:(\d+\.){3}\d+$/i.test(value) && isIPv6(value);

/** An address that is not listed in `accepted` (what the old object already had). */
export function validateIp(value: string, path: string, accepted: readonly string[] = []): FieldError[] {
  if (accepted.includes(value)) return [];
  if (hasLeadingZeros(value)) return [invalidValue(path, value, 'must not have leading 0s')];
  if (isMapped(value)) return [invalidValue(path, value, 'must not be an IPv4-mapped IPv6 address')];
  if (isIPv4(value) || (isIPv6(value) && !value.includes('%'))) return [];
  return [invalidValue(path, value, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
}

/** A prefix such as `10.9.8.0/24`. */
export function validateCidr(value: string, path: string, accepted: readonly string[] = []): FieldError[] {
  if (accepted.includes(value)) return [];
  const match = /^([^/]+)\/(\d{1,3})$/.exec(value);
  const [address, bits] = [match?.[1] ?? '', match?.[2] ?? ''];
  const plain = hasLeadingZeros(address) ? address.split('.').map(Number).join('.') : address;
  const limit = isIPv4(plain) ? 32 : 128;
  if (match === null || (!isIPv4(plain) && !isIPv6(plain)) || Number(bits) > limit) {
    return [invalidValue(path, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
  }
  if (plain !== address || (bits.length > 1 && bits.startsWith('0'))) {
    return [invalidValue(path, value, 'must not have leading 0s in IP or prefix length')];
  }
  if (isMapped(address)) return [invalidValue(path, value, 'must not have an IPv4-mapped IPv6 address')];
  if (isIPv4(address) && !isMasked(address, Number(bits))) {
    return [invalidValue(path, value, 'must not have bits set beyond the prefix length')];
  }
  return [];
}

/** An IPv4 address as an unsigned number. */
export function ipv4ToNumber(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

export function numberToIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

function isMasked(address: string, bits: number): boolean {
  return ipv4ToNumber(address) % 2 ** (32 - bits) === 0;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
const linkLocal = new BlockList();
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4');
linkLocal.addSubnet('fe80::', 10, 'ipv6');
const linkLocalMulticast = new BlockList();
linkLocalMulticast.addSubnet('224.0.0.0', 24, 'ipv4');
// Whatever the flags: only the scope counts.
for (let flags = 0; flags < 16; flags++) linkLocalMulticast.addSubnet(`ff${flags.toString(16)}2::`, 16, 'ipv6');

/** Addresses that traffic could never reach through a service. */
export function validateEndpointIp(address: string, path: string): FieldError[] {
  // Read leniently, as upstream does: that it is badly written is another check's word.
  const ip = hasLeadingZeros(address) ? address.split('.').map(Number).join('.') : address;
  if ((!isIPv4(ip) && !isIPv6(ip)) || ip.includes('%')) return [invalidValue(path, address, 'must be a valid IP address')];
  const family = isIPv4(ip) ? 'ipv4' : 'ipv6';
  const errors: FieldError[] = [];
  if (ip === '0.0.0.0' || canonicalIp(ip) === '::' || canonicalIp(ip) === '::ffff:0:0')
    errors.push(invalidValue(path, address, `may not be unspecified (${address})`));
  if (loopback.check(ip, family))
    errors.push(invalidValue(path, address, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'));
  if (linkLocal.check(ip, family)) {
    errors.push(invalidValue(path, address, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'));
  }
  if (linkLocalMulticast.check(ip, family)) {
    errors.push(invalidValue(path, address, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'));
  }
  return errors;
}

/** The canonical (RFC 5952) spelling of an IPv6 address; an IPv4 address is returned as it is. */
export function canonicalIp(address: string): string {
  return isIPv6(address) && !address.includes('%') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** A warning for a valid address in an unusual spelling. */
export function ipWarnings(value: string, path: string): string[] {
  if (!isIPv6(value) || canonicalIp(value) === value) return [];
  return [
    `${path}: IPv6 address ${JSON.stringify(value)} should be in RFC 5952 canonical format (${JSON.stringify(canonicalIp(value))})`,
  ];
}
