/** IPAddresses. Source: upstream `pkg/apis/networking/validation/validation.go`. */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import { isDns1123Subdomain, isPathSegmentName, type NameCheck } from '#api/names.ts';
import type { IPAddress, ParentReference } from '#api/types.generated.ts';
import { canonicalIpErrors } from '../../../validation/ip.ts';
import type { Submitted } from '../../../validation/submitted.ts';

/** The name must be the canonical text of an address. */
export const nameIsIp: NameCheck = (name) => canonicalIpErrors(name);

/** Validates parentRef, which names the owner of the address. */
export function validateIpAddress({ spec }: IPAddress): FieldError[] {
  const path = 'spec.parentRef';
  const reference: Submitted<ParentReference> | undefined = (spec as Submitted<IPAddress['spec']> | undefined)?.parentRef;
  if (reference === undefined) return [required(path)];
  const { group = '', resource = '', name = '', namespace = '' } = reference;
  const segment = (part: string, value: string): FieldError[] =>
    isPathSegmentName(value).map((text) => invalidValue(`${path}.${part}`, value, text));
  return [
    ...(group === '' ? [] : isDns1123Subdomain(group).map((text) => invalidValue(`${path}.group`, group, text))),
    ...(resource === '' ? [required(`${path}.resource`)] : segment('resource', resource)),
    ...(name === '' ? [required(`${path}.name`)] : segment('name', name)),
    ...segment('namespace', namespace),
  ];
}
