/** Secrets, by type. Source: upstream `pkg/apis/core/validation/validation.go`, ValidateSecret. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required, tooLong } from '#api/field-error.ts';
import { isConfigMapKey } from '#api/names.ts';
import type { Secret } from '#api/types.generated.ts';
import { base64Bytes } from '../../../validation/immutable-data.ts';

const MAX_BYTES = 1024 * 1024;
const ACCOUNT_ANNOTATION = 'kubernetes.io/service-account.name';

/**
 * Validates keys, the total size (1 MiB), and the keys that the type requires. Source: upstream `pkg/apis/core/validation`
 * (ValidateSecret).
 */
export function validateSecret(secret: Secret): FieldError[] {
  const { data = {} } = secret;
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const key of Object.keys(data)) {
    errors.push(...isConfigMapKey(key).map((text) => invalidValue(`data[${key}]`, key, text)));
    bytes += base64Bytes(data[key] ?? '');
  }
  if (bytes > MAX_BYTES) errors.push(tooLong('data', MAX_BYTES));
  return [...errors, ...validateByType(secret)];
}

function validateByType({ type, metadata, data = {} }: Secret): FieldError[] {
  const missing = (...keys: string[]): FieldError[] =>
    keys.filter((key) => data[key] === undefined).map((key) => required(`data[${key}]`));
  switch (type) {
    case 'kubernetes.io/service-account-token':
      return metadata.annotations?.[ACCOUNT_ANNOTATION] ? [] : [required(`metadata.annotations[${ACCOUNT_ANNOTATION}]`)];
    case 'kubernetes.io/dockercfg':
      return validateJson(data, '.dockercfg');
    case 'kubernetes.io/dockerconfigjson':
      return validateJson(data, '.dockerconfigjson');
    case 'kubernetes.io/basic-auth':
      return data['username'] === undefined && data['password'] === undefined ? missing('username', 'password') : [];
    case 'kubernetes.io/ssh-auth':
      return data['ssh-privatekey'] ? [] : [required('data[ssh-privatekey]')];
    case 'kubernetes.io/tls':
      return missing('tls.crt', 'tls.key');
    case undefined:
    default:
      return [];
  }
}

/** The key must hold a JSON object. Its content stays out of the message. */
function validateJson(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const value = data[key];
  if (value === undefined) return [required(`data[${key}]`)];
  const why = jsonObjectError(Buffer.from(value, 'base64').toString());
  return why === undefined ? [] : [invalidValue(`data[${key}]`, '<secret contents redacted>', why)];
}

function jsonObjectError(text: string): string | undefined {
  if (text.trim() === '') return 'unexpected end of JSON input';
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed === null || (typeof parsed === 'object' && !Array.isArray(parsed))) return undefined;
    const type = Array.isArray(parsed) ? 'array' : typeof parsed === 'boolean' ? 'bool' : typeof parsed;
    return `json: cannot unmarshal ${type} into Go value of type map[string]interface {}`;
  } catch {
    // The parser's own message may quote the secret, so it is not shown.
    return 'must be valid JSON';
  }
}

/** Warns about a TLS secret whose certificate and key do not match. It is accepted nevertheless. */
export function secretWarnings({ type, data = {} }: Secret): string[] {
  if (type !== 'kubernetes.io/tls') return [];
  const [certificate, key] = ['tls.crt', 'tls.key'].map((name) => Buffer.from(data[name] ?? '', 'base64'));
  const parsed = attempt(() => new X509Certificate(certificate ?? ''));
  if (parsed === undefined) return ['tls: failed to find any PEM data in certificate input'];
  const privateKey = attempt(() => createPrivateKey(key ?? ''));
  if (privateKey === undefined) return ['tls: failed to find any PEM data in key input'];
  return parsed.checkPrivateKey(privateKey) ? [] : ['tls: private key does not match public key'];
}

/** The result of a parser; undefined when it fails. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
