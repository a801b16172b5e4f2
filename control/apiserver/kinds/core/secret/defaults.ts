/** What the API fills in of a Secret. Source: upstream `pkg/apis/core/v1/{conversion,defaults}.go`. */
import type { Secret } from '#api/types.generated.ts';

/** In place. */
export function setSecretDefaults(secret: Secret): void {
  foldStringData(secret);
  secret.type ||= 'Opaque';
}

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
