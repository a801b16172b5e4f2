/** ServiceCIDRs. Source: upstream `pkg/apis/networking/validation/validation.go`. */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import { familyOf, parseCidrSloppy } from '#api/ip.ts';
import type { ServiceCIDR, ServiceCIDRSpec } from '#api/types.generated.ts';
import { validateCanonicalCidr } from '../../../validation/ip.ts';
import type { Submitted } from '../../../validation/submitted.ts';

const path = 'spec.cidrs';
const immutable = 'field is immutable';

/**
 * Validates `spec.cidrs`. An unchanged list is not validated again. Source: upstream `pkg/apis/networking/validation`
 * (ValidateServiceCIDR).
 */
export const validateServiceCidr = ({ spec }: ServiceCIDR, old: ServiceCIDR | undefined): FieldError[] =>
  old === undefined ? validateCidrs(spec) : [];

/** One range, or two of different families. */
function validateCidrs({ cidrs = [] }: Submitted<ServiceCIDRSpec>): FieldError[] {
  if (cidrs.length === 0) return [required(path, 'at least one CIDR required')];
  if (cidrs.length > 2) return [invalidValue(path, { CIDRs: cidrs }, 'may only hold up to 2 values')];
  const errors = cidrs.flatMap((cidr, index) => validateCanonicalCidr(cidr, `${path}[${index}]`));
  const [first, second] = cidrs;
  const areRead = cidrs.every((cidr) => parseCidrSloppy(cidr) !== undefined);
  if (first === undefined || second === undefined || !areRead || familyOf(first) !== familyOf(second)) return errors;
  const why = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
  return [...errors, invalidValue(path, cidrs, why)];
}

/** Ranges are immutable, but one of the other family may be added. */
export function validateServiceCidrUpdate({ spec }: ServiceCIDR, { spec: oldSpec }: ServiceCIDR): FieldError[] {
  const [cidrs, old] = [spec.cidrs ?? [], oldSpec.cidrs ?? []];
  const changed = (index: number): FieldError[] =>
    cidrs[index] === old[index] ? [] : [invalidValue(`${path}[${index}]`, cidrs[index], immutable)];
  if (cidrs.length === old.length) return old.flatMap((_, index) => changed(index));
  if (old.length === 1 && cidrs.length === 2) return [...changed(0), ...validateCidrs(spec)];
  return [invalidValue(path, cidrs, immutable)];
}
