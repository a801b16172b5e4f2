/**
 * Applied configurations as server-side apply reads them: by the schema, with nothing in it that the schema does not know.
 *
 * Source: apimachinery `pkg/util/managedfields/internal/{versioncheck,structuredmerge}.go`; structured-merge-diff `typed`
 * (validation and its texts).
 */

import { DecodeError } from '#api/codec/json.ts';
import { parseYaml } from '#api/codec/yaml.ts';
import { isInt64 } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { badRequest, failure } from '#api/status.ts';
import { pathText } from './field-set.ts';
import { childOf, elementKeys, elementOf, itemOf, shapeOf, type Typed, typedRoot } from './typed-value.ts';

/** How many mistakes an answer lists; upstream lists all. */
const maxMistakes = 1000;

/** The type that the configuration must have. */
export interface ConfigurationType {
  apiVersion: string;
  kind: string;
  /** Its name in the schema facts: `apps/v1.Deployment`. */
  type: string;
}

/**
 * Reads an applied configuration, which is YAML or JSON.
 * @param namespace of the URL, for error texts
 * @returns `problems`: keys that the text has twice
 * @throws ApiError 400 for a body that is no YAML or of another kind, 500 (as upstream) for one that does not fit the schema
 */
export function readConfiguration(
  body: Uint8Array,
  { apiVersion, kind, type }: ConfigurationType,
  namespace: string,
): { configuration: JsonObject; problems: string[] } {
  const { value, problems } = parsed(body);
  const configuration = isJsonObject(value) ? value : {};
  const found = { apiVersion: configuration['apiVersion'] ?? '', kind: configuration['kind'] ?? '' };
  const shown = `${String(found.apiVersion).includes('/') ? found.apiVersion : `/${found.apiVersion}`}, Kind=${found.kind}`;
  if (found.apiVersion !== apiVersion || found.kind !== kind) throw badRequest(`invalid object type: ${shown}`);
  const text = configurationMistakes(configuration, type);
  if (text !== undefined) {
    const { name, namespace: own } = isJsonObject(configuration['metadata']) ? configuration['metadata'] : {};
    throw failure(500, '', `failed to create typed patch object (${own ?? namespace}/${name ?? ''}; ${shown}): ${text}`);
  }
  return { configuration, problems };
}

function parsed(body: Uint8Array): { value: JsonValue; problems: string[] } {
  try {
    const { value, problems } = parseYaml(body);
    if (value === null || isJsonObject(value)) return { value, problems };
    const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
    throw new DecodeError(`json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const prefix = error.message.startsWith('yaml:')
      ? 'error converting YAML to JSON'
      : 'error unmarshaling JSON: while decoding JSON';
    throw badRequest(`error decoding YAML: ${prefix}: ${error.message}`);
  }
}

/** What is wrong with a configuration, in one text; undefined: it fits the type. */
export function configurationMistakes(configuration: JsonObject, type: string): string | undefined {
  const mistakes = schemaMistakes(configuration, typedRoot(type), []).take(maxMistakes).toArray();
  if (mistakes.length === 0) return undefined;
  return mistakes.length === 1 ? mistakes[0] : ['errors:', ...mistakes.map((mistake) => `  ${mistake}`)].join('\n');
}

/** All places where the value does not fit the schema, outer ones before inner ones. */
function* schemaMistakes(value: JsonValue, typed: Typed, path: readonly string[]): Generator<string> {
  if (value === null) return;
  const at = (why: string): string => (path.length === 0 ? why : `${pathText(path)}: ${why}`);
  const { type } = typed;
  switch (type.kind) {
    case 'ref':
    case 'map':
      if (!isJsonObject(value)) {
        yield at(`expected map, got &{${goValue(value)}}`);
        return;
      }
      for (const [key, part] of Object.entries(value)) {
        const child = childOf(typed, key);
        const place = [...path, `f:${key}`];
        if (child === undefined) yield `${pathText(place)}: field not declared in schema`;
        else yield* schemaMistakes(part ?? null, child, place);
      }
      return;
    case 'list':
      if (Array.isArray(value)) yield* listMistakes(value, typed, path, at);
      else yield at(`expected list, got &{${goValue(value)}}`);
      return;
    case 'string':
    case 'bytes':
      if (typeof value !== 'string') yield at(`expected string, got &value.valueUnstructured{Value:${goValue(value, true)}}`);
      return;
    case 'bool':
      if (typeof value !== 'boolean') yield at(`expected boolean, got &{${goValue(value)}}`);
      return;
    case 'int32':
    case 'int64':
    case 'double':
      if (typeof value !== 'number' && !isInt64(value)) yield at(`expected numeric (int or float), got ${goType(value)}`);
      return;
    case 'quantity':
    case 'intstr':
    case 'time':
    case 'microtime':
    case 'duration':
      if (typeof value === 'object') yield at(`expected any scalar, got &{${goValue(value)}}`);
      return;
    case 'fieldsV1':
    case 'raw':
    case 'json':
    case 'any':
      return;
  }
}

function* listMistakes(
  list: readonly JsonValue[],
  typed: Typed,
  path: readonly string[],
  at: (why: string) => string,
): Generator<string> {
  const seen = new Set<string>();
  const item = itemOf(typed);
  for (const [index, value] of list.entries()) {
    if (shapeOf(typed) !== 'list') {
      yield* schemaMistakes(value, item, [...path, `i:${index}`]);
      continue;
    }
    const missing = isJsonObject(value) ? elementKeys(value, typed).find(([, part]) => part === undefined) : undefined;
    if (missing !== undefined) {
      yield at(
        `element ${index}: associative list with keys has an element that omits key field ${JSON.stringify(missing[0])} (and doesn't have default value)`,
      );
      return;
    }
    const element = elementOf(value, typed);
    if (seen.has(element)) yield at(`duplicate entries for key ${pathText([element])}`);
    seen.add(element);
    yield* schemaMistakes(value, item, [...path, element]);
  }
}

function goType(value: JsonValue): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return 'map[string]interface {}';
  if (isInt64(value)) return 'int64';
  if (typeof value === 'number') return 'float64';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

/** The value as Go's `%v` prints it, or with `source` as `%#v`. */
function goValue(value: JsonValue, source = false): string {
  if (value === null) return '<nil>';
  if (typeof value === 'string') return source ? JSON.stringify(value) : value;
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) {
    const items = value.map((item) => goValue(item, source));
    return source ? `[]interface {}{${items.join(', ')}}` : `[${items.join(' ')}]`;
  }
  const members = Object.keys(value)
    .sort()
    .map((key) => `${source ? JSON.stringify(key) : key}:${goValue(value[key] ?? null, source)}`);
  return source ? `map[string]interface {}{${members.join(', ')}}` : `map[${members.join(' ')}]`;
}
