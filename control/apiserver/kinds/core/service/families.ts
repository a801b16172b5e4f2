/**
 * The IP families of a Service, on single-stack and dual-stack clusters.
 *
 * Source: upstream `pkg/registry/core/service/storage/alloc.go`, initIPFamilyFields.
 */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { familyOf, type IpFamily } from '#api/ip.ts';
import { invalid } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import { isHeadless, needsClusterIp, sameList } from './shape.ts';

/**
 * Fills in `ipFamilyPolicy` and `ipFamilies`. In place.
 * @param configured the cluster's families; the first one is the default of services that name none
 * @throws ApiError 422 for families that the cluster does not have
 */
export function initIpFamilies(service: Service, old: Service | undefined, configured: readonly IpFamily[]): void {
  if (!needsClusterIp(service) || keepsPreference(service, old)) return;
  const { spec } = service;
  const [byDefault = 'IPv4'] = configured;
  const selectorless = isHeadless(service) && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= old?.spec.ipFamilyPolicy ?? (selectorless ? 'RequireDualStack' : 'SingleStack');
  throwIfAny(service, [...checkPolicy(service, old), ...checkIps(service, configured)]);
  const ips = isHeadless(service) ? [] : (spec.clusterIPs ?? []);
  const families = [...(spec.ipFamilies ?? []), ...ips.slice(spec.ipFamilies?.length ?? 0).map(familyOf)];
  // The endpoints of a headless service without a selector come from its author, so any family is possible.
  if (selectorless) {
    if (families.length === 0) families.push(byDefault);
    if (families.length === 1 && spec.ipFamilyPolicy !== 'SingleStack') families.push(otherThan(families[0]));
    spec.ipFamilies = families;
    return;
  }
  throwIfAny(service, checkFamilies(service, families, configured));
  if (families.length === 0) families.push(byDefault);
  if (families.length === 1 && configured.length === 2 && spec.ipFamilyPolicy !== 'SingleStack')
    families.push(otherThan(families[0]));
  spec.ipFamilies = families;
}

const otherThan = (family: string | undefined): IpFamily => (family === 'IPv4' ? 'IPv6' : 'IPv4');

/** A service with PreferDualStack gets or loses a family only when the client requests it, not because the cluster has changed. */
function keepsPreference({ spec }: Service, old: Service | undefined): boolean {
  return (
    old !== undefined &&
    spec.ipFamilyPolicy === 'PreferDualStack' &&
    (old.spec.ipFamilyPolicy ?? 'PreferDualStack') === 'PreferDualStack' &&
    old.spec.type === spec.type &&
    sameList(spec.clusterIPs, old.spec.clusterIPs) &&
    sameList(spec.ipFamilies, old.spec.ipFamilies)
  );
}

function checkIps(service: Service, configured: readonly IpFamily[]): FieldError[] {
  const { clusterIPs = [], ipFamilies = [] } = service.spec;
  if (isHeadless(service)) return [];
  return clusterIPs.flatMap((ip, index) => {
    const family = familyOf(ip);
    if (index < ipFamilies.length || configured.includes(family)) return [];
    return [invalidValue(`spec.clusterIPs[${index}]`, clusterIPs, `${family} is not configured on this cluster`)];
  });
}

function checkPolicy({ spec }: Service, old: Service | undefined): FieldError[] {
  const path = 'spec.ipFamilyPolicy';
  const { ipFamilyPolicy: policy, clusterIPs = [], ipFamilies = [] } = spec;
  const errors: FieldError[] = [];
  if (policy !== 'SingleStack') {
    const had = old?.spec;
    if (clusterIPs.length > 0 && clusterIPs.length < (had?.clusterIPs?.length ?? 0)) {
      errors.push(invalidValue(path, policy, "must be 'SingleStack' to release the secondary cluster IP"));
    }
    if (ipFamilies.length > 0 && ipFamilies.length < (had?.ipFamilies?.length ?? 0)) {
      errors.push(invalidValue(path, policy, "must be 'SingleStack' to release the secondary IP family"));
    }
    return errors;
  }
  if (old !== undefined && sameList(clusterIPs, old.spec.clusterIPs)) spec.clusterIPs = clusterIPs.slice(0, 1);
  if (old !== undefined && sameList(ipFamilies, old.spec.ipFamilies)) spec.ipFamilies = ipFamilies.slice(0, 1);
  const multiple = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
  if (spec.clusterIPs?.length === 2) errors.push(invalidValue(path, policy, `${multiple} cluster IPs are specified`));
  if (spec.ipFamilies?.length === 2) errors.push(invalidValue(path, policy, `${multiple} IP families are specified`));
  return errors;
}

function checkFamilies({ spec }: Service, families: readonly string[], configured: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.ipFamilyPolicy === 'RequireDualStack' && configured.length < 2) {
    errors.push(
      invalidValue('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services'),
    );
  }
  families.forEach((family, index) => {
    if (!configured.includes(family))
      errors.push(invalidValue(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'));
  });
  return errors;
}

function throwIfAny(service: Service, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid({ group: '', name: 'Service' }, service.metadata.name, errors);
}
