/** References of Ingresses and IngressClasses to other objects. Source: upstream `pkg/apis/networking/validation/validation.go`. */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import { isDns1123Subdomain, isPathSegmentName } from '#api/names.ts';
import type { TypedLocalObjectReference } from '#api/types.generated.ts';
import type { Submitted } from '../../validation/submitted.ts';

/** Validates group, kind and name. The object need not exist. */
export function validateLocalReference(
  { apiGroup, kind = '', name = '' }: Submitted<Pick<TypedLocalObjectReference, 'apiGroup' | 'kind' | 'name'>>,
  path: string,
): FieldError[] {
  return [
    ...(apiGroup === undefined
      ? []
      : isDns1123Subdomain(apiGroup).map((text) => invalidValue(`${path}.apiGroup`, apiGroup, text))),
    ...validateSegment(kind, `${path}.kind`),
    ...validateSegment(name, `${path}.name`),
  ];
}

const validateSegment = (value: string, path: string): FieldError[] =>
  value === '' ? [required(path)] : isPathSegmentName(value).map((text) => invalidValue(path, value, text));
