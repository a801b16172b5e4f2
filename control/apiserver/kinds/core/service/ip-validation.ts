/** Cluster IPs of Services and their families. Source: upstream `pkg/apis/core/validation/validation.go`. */
import { isIPv6 } from 'node:net';
import type { FieldError } from '#api/field-error.ts';
import { duplicate, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { Service } from '#api/types.generated.ts';
import { type Accepted, validateIp } from '../../../validation/ip.ts';
import { isHeadless } from './shape.ts';

const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
const families = ['IPv4', 'IPv6'];

/**
 * Validates clusterIP, clusterIPs and families, and changes of them. @param old undefined on create. Source: upstream
 * `pkg/apis/core/validation` (ValidateServiceClusterIPsRelatedFields).
 */
export function validateClusterIps(service: Service, old: Service | undefined): FieldError[] {
  const { spec } = service;
  if (spec.type === 'ExternalName') return [];
  const { clusterIP = '', clusterIPs: ips = [], ipFamilies = [], ipFamilyPolicy: policy } = spec;
  const path = 'spec.clusterIPs';
  const errors: FieldError[] = [];
  if (clusterIP === '') {
    if (ips.length > 0) errors.push(invalidValue(path, ips, 'must be empty when `clusterIP` is not specified'));
  } else if (ips.length === 0) errors.push(required(path));
  else if (ips[0] !== clusterIP) errors.push(invalidValue(path, ips, 'first value must match `clusterIP`'));
  const seen = new Set<string>();
  ipFamilies.forEach((family, index) => {
    if (!families.includes(family)) errors.push(notSupported(`spec.ipFamilies[${index}]`, family, families));
    if (seen.has(family)) errors.push(duplicate(`spec.ipFamilies[${index}]`, family));
    seen.add(family);
  });
  if (policy !== undefined && !policies.includes(policy)) errors.push(notSupported('spec.ipFamilyPolicy', policy, policies));
  const wrong = validateValues(ips, new Set(old?.spec.clusterIPs));
  errors.push(...wrong);
  if (ips.length > 2) errors.push(invalidValue(path, ips, 'may only hold up to 2 values'));
  if (wrong.length > 0) return errors;
  if (ips.length > 1 && new Set(ips.map((ip) => isIPv6(ip))).size < 2) {
    errors.push(invalidValue(path, ips, 'may specify no more than one IP for each IP family'));
  }
  return isHeadless(service) ? errors : [...errors, ...validateAgainstFamilies(ips, ipFamilies)];
}

function validateValues(ips: readonly string[], accepted: Accepted): FieldError[] {
  return ips.flatMap((ip, index) => {
    if (index > 0 || ip !== 'None') return validateIp(ip, `spec.clusterIPs[${index}]`, accepted);
    return ips.length > 1 ? [invalidValue('spec.clusterIPs', ips, "'None' must be the first and only value")] : [];
  });
}

function validateAgainstFamilies(ips: readonly string[], ipFamilies: readonly string[]): FieldError[] {
  return ips.flatMap((ip, index) => {
    const family = ipFamilies[index];
    if (family === undefined || !families.includes(family) || isIPv6(ip) === (family === 'IPv6')) return [];
    return [
      invalidValue(`spec.clusterIPs[${index}]`, ip, `expected an ${family} value as indicated by \`ipFamilies[${index}]\``),
    ];
  });
}

/** The primary address is immutable except for a change to or from ExternalName. A secondary address may be added or removed. */
export function validateClusterIpsUpdate(service: Service, old: Service): FieldError[] {
  if (service.spec.type === 'ExternalName' || old.spec.type === 'ExternalName') return [];
  if (isHeadless(service) && isHeadless(old)) return [];
  const [now, before] = [service.spec.clusterIPs ?? [], old.spec.clusterIPs ?? []];
  const path = 'spec.clusterIPs';
  const changed = (index: number): FieldError => invalidValue(`${path}[${index}]`, now, 'may not change once set');
  if (now.length === before.length) return before.flatMap((ip, index) => (ip === now[index] ? [] : [changed(index)]));
  const errors: FieldError[] = [];
  if (now.length === 0) errors.push(invalidValue(`${path}[0]`, now, 'primary clusterIP can not be unset'));
  else if (before.length > 0 && now[0] !== before[0]) errors.push(changed(0));
  const policy = service.spec.ipFamilyPolicy;
  if (now.length === 1 && before.length > 1 && policy !== 'SingleStack') {
    errors.push(
      invalidValue('spec.ipFamilyPolicy', policy, "must be set to 'SingleStack' when releasing the secondary clusterIP"),
    );
  }
  return errors;
}

/**
 * The first family is immutable. A second one may be added or removed. Source: upstream `pkg/apis/core/validation` (upgrade and downgrade
 * of IP families).
 */
export function validateIpFamiliesUpdate(service: Service, old: Service): FieldError[] {
  if (service.spec.type === 'ExternalName' || old.spec.type === 'ExternalName') return [];
  if (isHeadless(service) || isHeadless(old)) return [];
  const [now, before] = [service.spec.ipFamilies ?? [], old.spec.ipFamilies ?? []];
  const path = 'spec.ipFamilies[0]';
  if (now.length === before.length) {
    return before.flatMap((family, index) => (family === now[index] ? [] : [invalidValue(path, now, 'may not change once set')]));
  }
  const errors: FieldError[] = [];
  const ips = service.spec.clusterIPs ?? [];
  const policy = service.spec.ipFamilyPolicy;
  if (now.length < before.length && ips.length === 0) errors.push(invalidValue(path, now, 'primary ipFamily can not be unset'));
  if (now.length > 0 && before.length > 0 && now[0] !== before[0])
    errors.push(invalidValue(path, ips, 'may not change once set'));
  if (now.length === 1 && before.length > 1 && policy !== 'SingleStack') {
    errors.push(
      invalidValue('spec.ipFamilyPolicy', policy, "must be set to 'SingleStack' when releasing the secondary ipFamily"),
    );
  }
  return errors;
}
