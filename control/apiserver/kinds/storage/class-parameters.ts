/**
 * Validation of driver names and parameters in StorageClasses and VolumeAttributesClasses. Source: upstream
 * `pkg/apis/storage/validation/validation.go`.
 */
import { type FieldError, invalidValue, required, tooLong } from '#api/field-error.ts';
import { isQualifiedName } from '#api/names.ts';

const maxParameters = 512;
const maxBytes = 256 * 1024;

/** Validates the name of a driver. It may have capital letters. */
export function validateProvisioner(name: string | undefined, path: string): FieldError[] {
  if (!name) return [required(path)];
  const lower = name.toLowerCase();
  return isQualifiedName(lower).map((text) => invalidValue(path, lower, text));
}

/** Validates the number and size of parameters. @param needed whether at least one is required */
export function validateParameters(parameters: Record<string, string> = {}, needed: boolean, path: string): FieldError[] {
  const entries = Object.entries(parameters);
  if (entries.length > maxParameters) return [tooLong(path, maxParameters)];
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return [
    ...(Object.hasOwn(parameters, '') ? [invalidValue(path, '', 'field can not be empty.')] : []),
    ...(bytes > maxBytes ? [tooLong(path, maxBytes)] : []),
    ...(needed && entries.length === 0 ? [required(path, 'must contain at least one key/value pair')] : []),
  ];
}
