/**
 * Validation of names of devices, pools, drivers and attributes. Source: upstream `pkg/apis/resource/validation/validation.go`;
 * github.com/google/uuid.
 */
import { type FieldError, invalidValue, required, tooLong } from '#api/field-error.ts';
import { isCIdentifier, isDns1123Label, isDns1123Subdomain, subdomainMaxLength } from '#api/names.ts';
import { validateCsiDriverName } from '../../validation/volumes/fields.ts';

const maxIdBytes = 32;
/** Maximum length of a qualified name: a domain, a slash and an identifier. */
export const maxQualifiedNameBytes = 63 + 1 + maxIdBytes;

/** Go's field names, for errors that print a part of an object. */
export const goNames = {
  apiGroup: 'APIGroup',
  bool: 'BoolValue',
  bools: 'BoolValues',
  cel: 'CEL',
  int: 'IntValue',
  ints: 'IntValues',
  ips: 'IPs',
  string: 'StringValue',
  strings: 'StringValues',
  uid: 'UID',
  version: 'VersionValue',
  versions: 'VersionValues',
};

/** Validates a label. An empty one gets the error of an invalid label, as in upstream. */
export const validateLabel = (name: string | undefined, path: string): FieldError[] =>
  isDns1123Label(name ?? '').map((text) => invalidValue(path, name ?? '', text));

/** Validates the name of a driver by the rules for CSI drivers. */
export const validateDriverName = validateCsiDriverName;

/** Validates a reference to a DeviceClass. */
export function validateClassName(name: string | undefined, path: string): FieldError[] {
  return name ? isDns1123Subdomain(name).map((text) => invalidValue(path, name, text)) : [required(path)];
}

/** Validates a pool name: DNS subdomains separated by slashes. */
export function validatePoolName(name: string | undefined, path: string): FieldError[] {
  if (!name) return [required(path)];
  return [
    ...(Buffer.byteLength(name) > subdomainMaxLength ? [tooLong(path, subdomainMaxLength)] : []),
    ...name.split('/').flatMap((part) => isDns1123Subdomain(part).map((text) => invalidValue(path, part, text))),
  ];
}

/** Validates `identifier` or `domain/identifier`. As upstream, it accepts names with more slashes. */
export function validateQualifiedName(name: string, path: string): FieldError[] {
  const parts = name.split('/');
  const [first = '', second = ''] = parts;
  if (parts.length === 1) return validateIdentifier(first, path);
  if (parts.length > 2) return [];
  return [
    ...(first === '' ? [invalidValue(path, '', 'the domain must not be empty')] : validateDriverName(first, path)),
    ...(second === '' ? [invalidValue(path, '', 'the name must not be empty')] : validateIdentifier(second, path)),
  ];
}

/**
 * Validates `<domain>/<name>`, the name of an attribute or a capacity. Source: upstream `pkg/apis/resource/validation`
 * (validateFullyQualifiedName).
 */
export function validateFullyQualifiedName(name: string, path: string): FieldError[] {
  const text = 'a fully qualified name must be a domain and a name separated by a slash';
  return [...validateQualifiedName(name, path), ...(name.includes('/') ? [] : [invalidValue(path, name, text)])];
}

function validateIdentifier(id: string, path: string): FieldError[] {
  return [
    ...(Buffer.byteLength(id) > maxIdBytes ? [tooLong(path, maxIdBytes)] : []),
    ...isCIdentifier(id).map((text) => invalidValue(path, id, text)),
  ];
}

/** Validates a UUID in canonical form. */
export function validateUid(uid: string, path: string): FieldError[] {
  const problem = uuidProblem(uid);
  if (problem !== undefined) return [invalidValue(path, uid, `error validating uid: ${problem}`)];
  if (uid.length === 36 && uid === uid.toLowerCase()) return [];
  const text =
    'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters';
  return [invalidValue(path, uid, text)];
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The error of Go's UUID library; undefined for the forms that it accepts. */
function uuidProblem(text: string): string | undefined {
  const format = (part: string, pattern = uuid): string | undefined => (pattern.test(part) ? undefined : 'invalid UUID format');
  switch (Buffer.byteLength(text)) {
    case 36:
      return format(text);
    case 32:
      return format(text, /^[0-9a-f]{32}$/i);
    case 38:
      return text.startsWith('{') && text.endsWith('}') ? format(text.slice(1, -1)) : 'invalid bracketed UUID format';
    case 45:
      if (text.slice(0, 9).toLowerCase() === 'urn:uuid:') return format(text.slice(9));
      return `invalid urn prefix: ${JSON.stringify(text.slice(0, 9))}`;
    default:
      return `invalid UUID length: ${Buffer.byteLength(text)}`;
  }
}
