/**
 * IP addresses and prefixes, as fields that predate strict validation hold them.
 *
 * Source: apimachinery `pkg/util/validation/ip.go`, with StrictIPCIDRValidation on, as 1.36 has it.
 */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { addressBits, formatCidr, isMapped, parseCidr, parseCidrSloppy, parseIp, parseIpSloppy } from '#api/ip.ts';
import { type IpScope, scopeOf } from '#api/ip-scope.ts';

/** What the old object already had. A set: an object may have tens of thousands of prefixes. */
export type Accepted = ReadonlySet<string>;

/** An address that is not one of `accepted`. */
export function validateIp(value: string, path: string, accepted?: Accepted): FieldError[] {
  if (accepted?.has(value) === true) return [];
  const ip = parseIp(value);
  if (ip !== undefined) return isMapped(ip) ? [invalidValue(path, value, 'must not be an IPv4-mapped IPv6 address')] : [];
  const isSloppy = parseIpSloppy(value) !== undefined;
  const why = isSloppy ? 'must not have leading 0s' : 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
  return [invalidValue(path, value, why)];
}

/** A prefix such as `10.9.8.0/24`. */
export function validateCidr(value: string, path: string, accepted?: Accepted): FieldError[] {
  if (accepted?.has(value) === true) return [];
  if (parseCidrSloppy(value) === undefined) {
    return [invalidValue(path, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
  }
  const [cidr, ip] = [parseCidr(value), parseIp(value.split('/', 1)[0])];
  if (cidr === undefined || ip === undefined) {
    return [invalidValue(path, value, 'must not have leading 0s in IP or prefix length')];
  }
  if (isMapped(ip)) return [invalidValue(path, value, 'must not have an IPv4-mapped IPv6 address')];
  return cidr.first === ip.value ? [] : [invalidValue(path, value, 'must not have bits set beyond the prefix length')];
}

/** Of fields that are new enough to take nothing but the canonical form. Source: as above, IsValidIP and IsValidCIDR. */
export function canonicalIpErrors(value: string): string[] {
  const prefix = `Invalid value: ${JSON.stringify(value)}: `;
  const errors = validateIp(value, '').map(({ message }) => message.slice(prefix.length));
  const canonical = parseIp(value)?.text ?? value;
  return errors.length > 0 || value === canonical ? errors : [`must be in canonical form (${JSON.stringify(canonical)})`];
}

/** The same for a prefix. */
export function validateCanonicalCidr(value: string, path: string): FieldError[] {
  const errors = validateCidr(value, path);
  const cidr = parseCidr(value);
  const canonical = cidr === undefined ? value : formatCidr(cidr);
  if (errors.length > 0 || value === canonical) return errors;
  return [invalidValue(path, value, `must be in canonical form (${JSON.stringify(canonical)})`)];
}

/** Addresses that traffic could never reach through a service. */
export function validateEndpointIp(address: string, path: string): FieldError[] {
  // Parse leniently, as upstream: `validateIp` reports the spelling.
  const ip = parseIp(address) ?? parseIpSloppy(address);
  if (ip === undefined) return [invalidValue(path, address, 'must be a valid IP address')];
  const why = refusedScopes[scopeOf(ip)]?.(address);
  return why === undefined ? [] : [invalidValue(path, address, why)];
}

/** Whether neither {@link validateIp} nor {@link validateEndpointIp} finds anything. */
export function isUsableEndpointIp(address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && !isMapped(ip) && refusedScopes[scopeOf(ip)] === undefined;
}

const refusedScopes: Partial<Record<IpScope, (address: string) => string>> = {
  unspecified: (address) => `may not be unspecified (${address})`,
  loopback: () => 'may not be in the loopback range (127.0.0.0/8, ::1/128)',
  'link-local': () => 'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
  'link-local multicast': () => 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
};

/** A warning for an accepted address in an unusual spelling. */
export function ipWarnings(value: string, path: string): string[] {
  const strict = parseIp(value);
  if (strict !== undefined && !isMapped(strict) && strict.text === value) return [];
  const sloppy = parseIpSloppy(value);
  if (sloppy === undefined || value === sloppy.text) return [];
  if (strict === undefined || isMapped(strict))
    return [`${path}: non-standard IP address ${JSON.stringify(value)} is invalid: use ${JSON.stringify(sloppy.text)}`];
  return [
    `${path}: IPv6 address ${JSON.stringify(value)} should be in RFC 5952 canonical format (${JSON.stringify(strict.text)})`,
  ];
}

/** The same for a prefix. Nothing for a text that is none: {@link validateCidr} has said so. */
export function cidrWarnings(value: string, path: string): string[] {
  const sloppy = parseCidrSloppy(value);
  const ip = parseIpSloppy(value.split('/', 1)[0]);
  if (sloppy === undefined || ip === undefined) return [];
  const network = formatCidr(sloppy);
  const shown = JSON.stringify(value);
  const warnings: string[] = [];
  if (sloppy.first !== ip.value) {
    const single = `${ip.text}/${addressBits[ip.family]}`;
    warnings.push(`${path}: CIDR value ${shown} is ambiguous in this context (should be "${network}" or "${single}"?)`);
  }
  const strict = parseIp(value.split('/', 1)[0]);
  if (parseCidr(value) === undefined || strict === undefined || isMapped(strict))
    return [...warnings, `${path}: non-standard CIDR value ${shown} is invalid: use "${network}"`];
  if (warnings.length > 0 || network === value) return warnings;
  return [`${path}: IPv6 CIDR value ${shown} should be in RFC 5952 canonical format ("${network}")`];
}
