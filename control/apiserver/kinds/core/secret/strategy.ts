/** Secrets. Source: upstream `pkg/registry/core/secret/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { validateImmutableData } from '../../../validation/immutable-data.ts';
import { defineKind } from '../../define-kind.ts';
import { secretColumns } from './columns.ts';
import { setSecretDefaults } from './defaults.ts';
import { secretWarnings, validateSecret } from './validation.ts';

/** `type` is immutable, and with `immutable: true` the data, too. */
export const secretKind = defineKind({
  resource: 'secrets',
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  defaults: setSecretDefaults,
  immutable: ['type'],
  validate: validateSecret,
  validateUpdate: (object, old) => validateImmutableData(object, old, ['data']),
  warnings: secretWarnings,
  fieldSelectors: { type: ({ type }) => type ?? '' },
  columns: secretColumns,
});
