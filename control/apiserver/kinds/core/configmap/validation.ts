/** ConfigMaps. Source: upstream `pkg/apis/core/validation/validation.go`, ValidateConfigMap. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, tooLong } from '#api/field-error.ts';
import { isConfigMapKey } from '#api/names.ts';
import type { ConfigMap } from '#api/types.generated.ts';
import { base64Bytes } from '../../../validation/immutable-data.ts';

const MAX_BYTES = 1024 * 1024;

/** Problems of keys and of the total size (1 MiB). Source: upstream `pkg/apis/core/validation` (ValidateConfigMap). */
export function validateConfigMap({ data = {}, binaryData = {} }: ConfigMap): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const key of Object.keys(data)) {
    errors.push(...isConfigMapKey(key).map((text) => invalidValue(`data[${key}]`, key, text)));
    if (Object.hasOwn(binaryData, key)) errors.push(invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData'));
    bytes += Buffer.byteLength(data[key] ?? '');
  }
  for (const [key, value] of Object.entries(binaryData)) {
    errors.push(...isConfigMapKey(key).map((text) => invalidValue(`binaryData[${key}]`, key, text)));
    bytes += base64Bytes(value);
  }
  if (bytes > MAX_BYTES) errors.push(tooLong('[]', MAX_BYTES));
  return errors;
}
