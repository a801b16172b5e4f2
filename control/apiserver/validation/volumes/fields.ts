/** Checks that many types of volume share. Source: upstream `pkg/apis/core/validation/validation.go`. */
import { type FieldError, invalidValue, required, tooLong } from '#api/field-error.ts';
import { inclusiveRangeText, isDns1123Label, isDns1123Subdomain, labelMaxLength } from '#api/names.ts';
import type { SecretReference } from '#api/types.generated.ts';
import type { Submitted } from '../submitted.ts';

/** One error for each of these fields that is absent or empty, in the given order. */
export function requireFields(part: object, path: string, ...fields: string[]): FieldError[] {
  const values = new Map<string, unknown>(Object.entries(part));
  return fields.filter((field) => isEmpty(values.get(field))).map((field) => required(`${path}.${field}`));
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);

/** The name of a CSI driver: a DNS subdomain in any case, of 63 characters at most. */
export function validateCsiDriverName(name: string | undefined, path: string): FieldError[] {
  if (name === undefined || name === '') return [required(path)];
  const errors: FieldError[] = Buffer.byteLength(name) > labelMaxLength ? [tooLong(path, labelMaxLength)] : [];
  return [...errors, ...isDns1123Subdomain(name.toLowerCase()).map((text) => invalidValue(path, name, text))];
}

/** Of a secret only the name, and of a PersistentVolume's the namespace too, must be there. */
export function requireSecretRef(
  ref: { name?: string | undefined; namespace?: string | undefined } | undefined,
  path: string,
  ...fields: ('name' | 'namespace')[]
): FieldError[] {
  return ref === undefined ? [] : requireFields(ref, `${path}.secretRef`, ...fields);
}

/** A secret in a namespace, where both names are checked. */
export function validateSecretReference(ref: Submitted<SecretReference>, path: string): FieldError[] {
  return [...named(ref.name, isDns1123Subdomain, `${path}.name`), ...named(ref.namespace, isDns1123Label, `${path}.namespace`)];
}

function named(name: string | undefined, check: (name: string) => string[], path: string): FieldError[] {
  return name ? check(name).map((text) => invalidValue(path, name, text)) : [required(path)];
}

/** Upstream's text begins at 1, although 0 is allowed (no partition). */
export function validatePartition(partition = 0, path: string): FieldError[] {
  return partition >= 0 && partition <= 255 ? [] : [invalidValue(path, partition, inclusiveRangeText(1, 255))];
}

/** Refuses what is not from 0 to 255. */
export function validateLun(lun: number, path: string): FieldError[] {
  return lun >= 0 && lun <= 255 ? [] : [invalidValue(path, lun, inclusiveRangeText(0, 255))];
}

/** Whether Go's `net.SplitHostPort` takes the text: `host:port`, `[v6]:port`; either may be empty. */
export function isHostPort(text: string): boolean {
  return /^(?:\[[^[\]]*\]|[^:[\]]*):[^:[\]]*$/.test(text);
}
