/** What is special to ConfigMaps. Source: upstream `pkg/registry/core/configmap`, `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, tooLong } from '#api/field-error.ts';
import { isConfigMapKey, nameIsDnsSubdomain } from '#api/names.ts';
import type { ConfigMap } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { base64Bytes, validateImmutableData } from '../../../validation/data.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../../validation/object-meta.ts';
import { configMapTable } from '../../table/plain.ts';

const MAX_BYTES = 1024 * 1024;

function validateConfigMap({ metadata, data = {}, binaryData = {} }: ConfigMap): FieldError[] {
  const errors = validateObjectMeta(metadata, { namespaced: true, name: nameIsDnsSubdomain });
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

export const configMapStrategy: Strategy<ConfigMap> = {
  validate: validateConfigMap,
  validateUpdate: (map, old) => [
    ...validateObjectMetaUpdate(map.metadata, old.metadata),
    ...validateImmutableData(map, old, ['data', 'binaryData']),
    ...validateConfigMap(map),
  ],
  table: configMapTable,
};
