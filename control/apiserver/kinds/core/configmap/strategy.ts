/** ConfigMaps. Source: upstream `pkg/registry/core/configmap/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { validateImmutableData } from '../../../validation/immutable-data.ts';
import { defineKind } from '../../define-kind.ts';
import { configMapColumns } from './columns.ts';
import { validateConfigMap } from './validation.ts';

/** With `immutable: true`, an update may change metadata only. */
export const configMapKind = defineKind({
  resource: 'configmaps',
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  validate: validateConfigMap,
  validateUpdate: (map, old) => validateImmutableData(map, old, ['data', 'binaryData']),
  columns: configMapColumns,
});
