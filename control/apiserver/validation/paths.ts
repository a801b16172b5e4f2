/** File paths inside containers and volumes. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import { isDns1123Subdomain } from '#api/names.ts';

/** Refuses paths with `..` as one of their parts. Source: upstream `pkg/apis/core/validation` (validatePathNoBacksteps). */
export function validateNoBacksteps(target: string, path: string): FieldError[] {
  return target.split('/').includes('..') ? [invalidValue(path, target, "must not contain '..'")] : [];
}

/** A relative path that stays below where it starts. */
export function validateLocalDescendingPath(target: string, path: string): FieldError[] {
  return [
    ...(target.startsWith('/') ? [invalidValue(path, target, 'must be a relative path')] : []),
    ...validateNoBacksteps(target, path),
  ];
}

/** A descending path whose first element is not `..something`: the kubelet keeps its own files under such names. */
export function validateLocalNonReservedPath(target: string, path: string): FieldError[] {
  const errors = validateLocalDescendingPath(target, path);
  if (target.startsWith('..') && !target.startsWith('../')) errors.push(invalidValue(path, target, "must not start with '..'"));
  return errors;
}

/** Permission bits, 0 to 0777. */
export function validateFileMode(mode: number | undefined, path: string): FieldError[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalidValue(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

/** Refuses a number below 0; an absent one is good. */
export function validateNonNegative(value: number | undefined, path: string): FieldError[] {
  return (value ?? 0) < 0 ? [invalidValue(path, value, 'must be greater than or equal to 0')] : [];
}

/** Refuses a number below 1; an absent one is good. */
export function validatePositive(value: number | undefined, path: string): FieldError[] {
  return (value ?? 0) <= 0 ? [invalidValue(path, value ?? 0, 'must be greater than zero')] : [];
}

const httpPath = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const wholeHttpPath = new RegExp(`^${httpPath}$`);

/** A name of somebody's own: `acme.io/foo`. Source: apimachinery `pkg/util/validation/validation.go` (IsDomainPrefixedPath). */
export function validateDomainPrefixedPath(value: string, path: string): FieldError[] {
  if (value === '') return [required(path)];
  const slash = value.indexOf('/');
  if (slash <= 0 || slash === value.length - 1)
    return [invalidValue(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  const [host, rest] = [value.slice(0, slash), value.slice(slash + 1)];
  const errors = isDns1123Subdomain(host).map((text) => invalidValue(path, host, text));
  if (wholeHttpPath.test(rest)) return errors;
  return [...errors, invalidValue(path, rest, `Invalid path (regex used for validation is '${httpPath}')`)];
}
