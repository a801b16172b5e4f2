/**
 * The IP families of a Service, on a cluster with IPv4 service addresses.
 *
 * Source: upstream `pkg/registry/core/service/storage/alloc.go`, initIPFamilyFields.
 */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { familyOf } from '#api/ip.ts';
import { invalid } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import { isHeadless, needsClusterIp, sameList } from './shape.ts';

/** Fills in `ipFamilyPolicy` and `ipFamilies`. In place. @throws ApiError 422 for what the cluster cannot do */
export function initIpFamilies(service: Service, old: Service | undefined): void {
  if (!needsClusterIp(service)) return;
  const { spec } = service;
  const selectorless = isHeadless(service) && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= old?.spec.ipFamilyPolicy ?? (selectorless ? 'RequireDualStack' : 'SingleStack');
  throwIfAny(service, checkPolicy(service, old));
  const ips = isHeadless(service) ? [] : (spec.clusterIPs ?? []);
  const families = [...(spec.ipFamilies ?? []), ...ips.slice(spec.ipFamilies?.length ?? 0).map(familyOf)];
  // A headless service without a selector has whatever addresses its author gives it.
  if (selectorless) {
    if (families.length === 0) families.push('IPv4');
    if (families.length < 2 && spec.ipFamilyPolicy !== 'SingleStack') families.push(families[0] === 'IPv4' ? 'IPv6' : 'IPv4');
    spec.ipFamilies = families;
    return;
  }
  throwIfAny(service, checkFamilies(service, families, ips));
  spec.ipFamilies = families.length === 0 ? ['IPv4'] : families;
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

function checkFamilies({ spec }: Service, families: readonly string[], ips: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  ips.forEach((ip, index) => {
    if (index >= (spec.ipFamilies?.length ?? 0) && familyOf(ip) === 'IPv6') {
      errors.push(invalidValue(`spec.clusterIPs[${index}]`, spec.clusterIPs, 'IPv6 is not configured on this cluster'));
    }
  });
  if (errors.length > 0) return errors;
  if (spec.ipFamilyPolicy === 'RequireDualStack') {
    errors.push(
      invalidValue('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services'),
    );
  }
  families.forEach((family, index) => {
    if (family !== 'IPv4') errors.push(invalidValue(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'));
  });
  return errors;
}

function throwIfAny(service: Service, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid({ group: '', name: 'Service' }, service.metadata.name, errors);
}
