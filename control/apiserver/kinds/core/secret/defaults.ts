/** Defaults of a Secret. Source: upstream `pkg/apis/core/v1/{conversion,defaults}.go`. */
import type { Secret } from '#api/types.generated.ts';

/** Sets the defaults of a Secret, in place. */
export function setSecretDefaults(secret: Secret): void {
  foldStringData(secret);
  secret.type ||= 'Opaque';
}

/** Moves the write-only `stringData` into `data`, encoded in base64. Its keys replace those of `data`. */
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
