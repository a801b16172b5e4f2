/**
 * Request bodies as typed objects: format, kind and version checked, unknown fields refused or warned of.
 *
 * Source: apiserver `pkg/endpoints/handlers/{create,update,rest}.go` (order of checks and their texts).
 */
import {
  type Decoded,
  DecodeError,
  decodeJson,
  type FieldValidation,
  readTypeMeta,
  strictDecodingText,
} from '#api/codec/json.ts';
import { decodeProtobuf, openEnvelope, ProtobufError } from '#api/codec/protobuf.ts';
import { type ConvertedYaml, decodeYaml, yamlToJson } from '#api/codec/yaml.ts';
import { type FieldError, invalidValue, notSupported, tooLong } from '#api/field-error.ts';
import type { JsonObject } from '#api/json.ts';
import { readQueryOptions } from '#api/query-options.ts';
import { typeForKind } from '#api/schema/facts.ts';
import { badRequest, invalid } from '#api/status.ts';
import { bodyFormat, type Format } from './negotiation.ts';

/** 3 MiB: what etcd takes in one request, doubled for JSON (apiserver `DefaultMaxRequestBodyBytes`). */
export const maxBodyBytes = 3 * 1024 * 1024;

/** The type that an endpoint takes. */
export interface ExpectedType {
  apiVersion: string;
  kind: string;
  /** Its name in the schema facts: `core/v1.Pod`. */
  type: string;
  /** Other versions that are taken as well, and have the same fields (upstream's AcceptsGroupVersion). */
  alsoVersions?: readonly string[];
}

/** The query's `fieldValidation`; by default `Warn`. @throws ApiError 422 for an unknown value */
export function parseFieldValidation(query: URLSearchParams, optionsKind: string): FieldValidation {
  const { fieldValidation: value } = readQueryOptions('CreateOptions', query);
  if (value === '') return 'Warn';
  if (value === 'Strict' || value === 'Warn' || value === 'Ignore') return value;
  throw invalid({ group: 'meta.k8s.io', name: optionsKind }, '', [
    notSupported('fieldValidation', value, ['', 'Ignore', 'Strict', 'Warn']),
  ]);
}

/** Whether the request is a dry run. @throws ApiError 422 for a value other than `All` */
export function parseDryRun(values: readonly string[], optionsKind: string): boolean {
  if (values.some((value) => value !== 'All'))
    throw invalid({ group: 'meta.k8s.io', name: optionsKind }, '', [notSupported('dryRun', values, ['All'])]);
  return values.length > 0;
}

/** Go's `unicode.IsPrint`. */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/** The field manager of a write: from the query, else the user agent up to its first `/`. @throws ApiError 422 */
export function parseFieldManager(query: URLSearchParams, userAgent: string | undefined, optionsKind: string): string {
  const { fieldManager: given } = readQueryOptions('CreateOptions', query);
  const problems: FieldError[] = [];
  if (Buffer.byteLength(given) > 128) problems.push(tooLong('fieldManager', 128));
  let position = 0;
  for (const character of given) {
    if (!printable.test(character))
      problems.push(invalidValue('fieldManager', given, `invalid character ${codePoint(character)} (at position ${position})`));
    position += Buffer.byteLength(character);
  }
  if (problems.length > 0) throw invalid({ group: 'meta.k8s.io', name: optionsKind }, '', problems);
  return given !== '' ? given : (userAgent ?? '').split('/', 1)[0]?.slice(0, 128) || 'unknown';
}

/**
 * Decodes the body as the type that the endpoint takes.
 * @param warn is called for each unknown field when `validation` is `Warn`
 * @throws ApiError 400, 415
 */
export function decodeBody(
  body: Uint8Array,
  contentType: string | undefined,
  expected: ExpectedType,
  validation: FieldValidation,
  warn: (message: string) => void,
): JsonObject {
  const format = bodyFormat(contentType);
  const { found, yaml } = typeOf(body, format, expected);
  const decoded = decode(yaml ?? body, format, expected, found, validation);
  if (decoded.problems.length > 0) {
    if (validation === 'Strict') throw cannotHandle(found, expected, strictDecodingText(decoded.problems));
    for (const problem of decoded.problems) warn(problem);
  }
  if (found.apiVersion !== expected.apiVersion) {
    throw badRequest(
      `the API version in the data (${found.apiVersion}) does not match the expected API version (${expected.apiVersion})`,
    );
  }
  return { ...decoded.object, apiVersion: expected.apiVersion, kind: expected.kind };
}

interface FoundType {
  apiVersion: string;
  kind: string;
}

/** The type that the body names. `yaml`: the body as JSON where it is YAML, so that it is not converted twice. */
function typeOf(body: Uint8Array, format: Format, expected: ExpectedType): { found: FoundType; yaml: ConvertedYaml | undefined } {
  try {
    const yaml = format === 'yaml' ? yamlToJson(body) : undefined;
    const found = format === 'protobuf' ? openEnvelope(body) : readTypeMeta(yaml?.json ?? body);
    const kind = found.kind || expected.kind;
    const isOther = kind === expected.kind && expected.alsoVersions?.includes(found.apiVersion) === true;
    return { found: { apiVersion: isOther ? expected.apiVersion : found.apiVersion || expected.apiVersion, kind }, yaml };
  } catch (error) {
    throw unrecognized(body, expected, error);
  }
}

function decode(
  body: Uint8Array | ConvertedYaml,
  format: Format,
  expected: ExpectedType,
  found: FoundType,
  validation: FieldValidation,
): Decoded {
  const { apiVersion, kind } = found;
  const type = typeForKind(apiVersion, kind);
  if (type === undefined) {
    throw cannotHandle(
      found,
      expected,
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/api/legacyscheme/scheme.go:30"`,
    );
  }
  if (kind !== expected.kind) {
    const version = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
    throw cannotHandle(
      found,
      expected,
      `converting (${version(apiVersion)}.${kind}) to (${version(expected.apiVersion)}.${expected.kind}): unknown conversion`,
    );
  }
  try {
    if ('json' in body) return decodeYaml(body, type, validation);
    if (format === 'protobuf') return { object: decodeProtobuf(body, expected).object, problems: [] };
    return decodeJson(body, type, validation);
  } catch (error) {
    if (error instanceof DecodeError || error instanceof ProtobufError) throw cannotHandle(found, expected, error.message);
    throw error;
  }
}

/** The error for a body that strict decoding refuses. */
export const notStrict = (expected: ExpectedType, problems: readonly string[]) =>
  cannotHandle(expected, expected, strictDecodingText(problems));

function cannotHandle({ apiVersion, kind }: FoundType, expected: ExpectedType, why: string) {
  const version = apiVersion.slice(apiVersion.lastIndexOf('/') + 1);
  return badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${expected.kind}: ${why}`);
}

/** The error for a body whose kind cannot be read. */
function unrecognized(body: Uint8Array, expected: ExpectedType, error: unknown) {
  if (!(error instanceof DecodeError) && !(error instanceof ProtobufError)) return error;
  return badRequest(
    `the object provided is unrecognized (must be of type ${expected.kind}): ${error.message} (${summary(body)})`,
  );
}

/** The first bytes of a body for an error text: as they are when they look like JSON, else in hexadecimal (upstream's `summarizeData`). */
function summary(body: Uint8Array): string {
  const limit = 30;
  if (body.length === 0) return '<empty>';
  const head = Buffer.from(body.subarray(0, limit));
  if (body[0] === 0x7b) return body.length > limit ? `${head.toString('utf8')} ...` : head.toString('utf8');
  return body.length > limit ? `${head.toString('hex')} ...` : head.toString('hex');
}
