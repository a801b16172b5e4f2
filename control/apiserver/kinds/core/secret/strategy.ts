/** What is special to Secrets. Source: upstream `pkg/registry/core/secret/strategy.go`, `pkg/apis/core/v1/conversion.go`. */
import type { Secret } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { secretTable } from '../../table/plain.ts';
import { secretWarnings, validateSecret, validateSecretUpdate } from './validation.ts';

/** `stringData` is write-only: it is laid over `data`, in base64, and never read back. */
function foldStringData(secret: Secret): void {
  const { stringData } = secret;
  delete secret.stringData;
  if (stringData === undefined || Object.keys(stringData).length === 0) return;
  const encoded = Object.entries(stringData).map(([key, value]): [string, string] => [
    key,
    Buffer.from(value).toString('base64'),
  ]);
  secret.data = { ...secret.data, ...Object.fromEntries(encoded) };
}

export const secretStrategy: Strategy<Secret> = {
  setDefaults(secret) {
    foldStringData(secret);
    secret.type ||= 'Opaque';
  },
  validate: validateSecret,
  validateUpdate: validateSecretUpdate,
  warnings: secretWarnings,
  selectableFields: ['type'],
  fields: (secret) => ({ type: secret.type ?? '' }),
  table: secretTable,
};
