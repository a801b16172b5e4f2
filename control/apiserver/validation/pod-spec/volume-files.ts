/** Files in volumes: keys of ConfigMaps and Secrets, fields of the pod. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import type { DownwardAPIVolumeFile, KeyToPath } from '#api/types.generated.ts';
import { validateFileMode, validateLocalNonReservedPath } from '../paths.ts';
import { validateFieldRef, validateResourceFieldRef } from './env.ts';

const volumeFieldPaths = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid'];

/**
 * Problems of one file of a ConfigMap or Secret: key, relative path, mode (0 to 0777). Source: upstream `pkg/apis/core/validation`
 * (validateKeyToPath).
 */
export function validateKeyToPath({ key, path: file, mode }: KeyToPath, path: string): FieldError[] {
  return [
    ...(key ? [] : [required(`${path}.key`)]),
    ...(file ? [] : [required(`${path}.path`)]),
    ...validateLocalNonReservedPath(file ?? '', `${path}.path`),
    ...validateFileMode(mode, `${path}.mode`),
  ];
}

/** Problems of one file of the downward API. Source: upstream `pkg/apis/core/validation` (validateDownwardAPIVolumeFile). */
export function validateDownwardFile(file: DownwardAPIVolumeFile, path: string): FieldError[] {
  const errors: FieldError[] = file.path ? [] : [required(`${path}.path`)];
  errors.push(...validateLocalNonReservedPath(file.path ?? '', `${path}.path`));
  if (file.fieldRef !== undefined) {
    errors.push(...validateFieldRef(file.fieldRef, volumeFieldPaths, `${path}.fieldRef`));
    if (file.resourceFieldRef !== undefined) {
      errors.push(invalidValue(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
  } else if (file.resourceFieldRef !== undefined) {
    errors.push(...validateResourceFieldRef(file.resourceFieldRef, `${path}.resourceFieldRef`, true));
  } else {
    errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'));
  }
  errors.push(...validateFileMode(file.mode, `${path}.mode`));
  return errors;
}
