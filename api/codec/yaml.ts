/**
 * YAML bodies: turned into JSON first, as sigs.k8s.io/yaml does, then decoded like any JSON. Which plain scalars are booleans,
 * numbers and nulls is go-yaml v2's rule (YAML 1.1 booleans such as `yes`, no base 60, times stay strings).
 *
 * Source: sigs.k8s.io/yaml `yaml.go`, go.yaml.in/yaml/v2 `resolve.go`, `decode.go`.
 */
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, parseAllDocuments, type Scalar, type YAMLMap } from 'yaml';
import type { JsonValue } from '../json.ts';
import { type Decoded, DecodeError, decodeJson, type FieldValidation, parseJsonStrict } from './json.ts';

/** How much text aliases may add; more is a bomb. */
const maxAliasedLength = 5_000_000;
/** As for JSON; the parser's time grows with the square of the depth, so it is looked at before parsing. */
const maxDepth = 1000;

const textOf = (input: string | Uint8Array): string =>
  typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('utf8');

/** Decodes an object of a known type from YAML (or JSON, which is YAML). @throws DecodeError */
export function decodeYaml(input: string | Uint8Array, typeName: string, validation: FieldValidation): Decoded {
  const { json, duplicates } = yamlToJson(input);
  const { object, problems } = decodeJson(json, typeName, validation);
  return { object, problems: validation === 'Ignore' || duplicates === '' ? problems : [duplicates, ...problems] };
}

/** Parses YAML of any shape (an apply patch). `problems` tells of duplicate keys. @throws DecodeError with `yaml: line …` */
export function parseYaml(input: string | Uint8Array): { value: JsonValue; problems: string[] } {
  const { json, duplicates } = yamlToJson(input);
  return { value: JSON.parse(json) as JsonValue, problems: duplicates === '' ? [] : [duplicates] };
}

/**
 * The first document as JSON text, keys sorted as Go's encoder sorts them. `duplicates` is upstream's strict error for keys
 * that a map has twice, or empty; the last one counts.
 *
 * @throws DecodeError
 */
export function yamlToJson(input: string | Uint8Array): { json: string; duplicates: string } {
  const text = textOf(input);
  if (/^\s*\{/.test(text)) {
    // kubectl sends JSON as YAML; only what is not JSON, or has duplicates to tell of by line, needs the YAML parser.
    const json = plainJson(text);
    if (json !== undefined) return { json, duplicates: '' };
  }
  if (isTooDeep(text)) throw new DecodeError(`yaml: exceeded max depth of ${maxDepth}`);
  try {
    return converted(text);
  } catch (error) {
    // Block mappings nest without brackets: there it is the stack that ends.
    if (error instanceof RangeError) throw new DecodeError(`yaml: exceeded max depth of ${maxDepth}`, { cause: error });
    throw error;
  }
}

function converted(text: string): { json: string; duplicates: string } {
  const documents = parseAllDocuments(text, { version: '1.1', schema: 'failsafe', uniqueKeys: false, logLevel: 'silent' });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  if (document === undefined) return { json: 'null', duplicates: '' };
  const [error] = document.errors;
  // The parser reports its own overflow as one of the document's errors.
  if (error !== undefined && /Maximum call stack/.test(error.message)) throw new RangeError(error.message, { cause: error });
  if (error !== undefined)
    throw new DecodeError(`yaml: line ${error.linePos?.[0].line ?? 0}: ${goText(error.code, error.message)}`);
  return new Converter(text, (alias) => alias.resolve(document)).convert(document.contents);
}

/** Brackets left open, or dashes in a row, beyond any object of the API; a text that only mentions so many is refused as well. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let dashes = 0;
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (char === '[' || char === '{') depth += 1;
    else if (char === ']' || char === '}') depth = Math.max(0, depth - 1);
    if (char === '-') dashes += 1;
    else if (char !== ' ') dashes = 0;
    if (depth > maxDepth || (dashes > maxDepth && text[index + 1] === ' ' && text[index - 2] === '-')) return true;
  }
  return false;
}

function plainJson(text: string): string | undefined {
  try {
    return parseJsonStrict(text).problems.length === 0 ? text : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** go-yaml's words for the mistakes that people make. */
function goText(code: string, message: string): string {
  switch (code) {
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'mapping values are not allowed in this context';
    case 'MISSING_CHAR':
      return message.startsWith('Implicit map keys') ? "could not find expected ':'" : firstLine(message);
    case 'TAB_AS_INDENT':
      return 'found character that cannot start any token';
    default:
      return firstLine(message);
  }
}

const firstLine = (message: string): string => (message.split('\n', 1)[0] as string).replace(/ at line \d+, column \d+:?$/, '');

type Alias = Extract<Node, { source: string; resolve: unknown }>;
/** Anything a document may hold; null where a value is missing. */
type YamlNode = Node | null;

class Converter {
  readonly #text: string;
  readonly #resolve: (alias: Alias) => Node | undefined;
  readonly #duplicates: string[] = [];
  /** JSON of nodes that an alias named, and the nodes being converted. */
  readonly #anchored = new Map<Node, string>();
  readonly #open = new Set<Node>();
  #aliasedLength = 0;

  constructor(text: string, resolve: (alias: Alias) => Node | undefined) {
    this.#text = text;
    this.#resolve = resolve;
  }

  convert(root: YamlNode): { json: string; duplicates: string } {
    const json = this.#json(root);
    const lines = this.#duplicates.map((line) => `\n  ${line}`).join('');
    return { json, duplicates: lines === '' ? '' : `yaml: unmarshal errors:${lines}` };
  }

  #json(node: YamlNode): string {
    if (node === null) return 'null';
    if (isAlias(node)) return this.#aliased(node as Alias);
    if (isScalar(node)) return scalarJson(node);
    this.#open.add(node);
    const json = isMap(node)
      ? this.#map(node)
      : isSeq(node)
        ? `[${node.items.map((item) => this.#json(item as YamlNode)).join(',')}]`
        : 'null';
    this.#open.delete(node);
    return json;
  }

  #target(alias: Alias): Node {
    const target = this.#resolve(alias);
    if (target === undefined) throw new DecodeError(`yaml: unknown anchor '${alias.source}' referenced`);
    if (this.#open.has(target)) throw new DecodeError(`yaml: anchor '${alias.source}' value contains itself`);
    return target;
  }

  #aliased(alias: Alias): string {
    const target = this.#target(alias);
    let json = this.#anchored.get(target);
    if (json === undefined) {
      json = this.#json(target);
      this.#anchored.set(target, json);
    }
    this.#aliasedLength += json.length;
    if (this.#aliasedLength > maxAliasedLength) throw new DecodeError('yaml: document contains excessive aliasing');
    return json;
  }

  #map(map: YAMLMap): string {
    const members = new Map<string, string>();
    this.#addMembers(map, members);
    const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${sorted.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`;
  }

  #addMembers(map: YAMLMap, members: Map<string, string>): void {
    const own = new Set<string>();
    for (const { key, value } of map.items as Pair<YamlNode, YamlNode>[]) {
      if (isScalar(key) && key.type === 'PLAIN' && key.source === '<<') {
        this.#merge(value, members);
        continue;
      }
      const name = this.#key(key);
      if (own.has(name)) this.#duplicates.push(`line ${this.#line(key)}: key ${JSON.stringify(name)} already set in map`);
      own.add(name);
      members.set(name, this.#json(value));
    }
  }

  /** `<<: *base`, or a list of maps of which the first wins. */
  #merge(value: YamlNode, members: Map<string, string>): void {
    const node = value !== null && isAlias(value) ? this.#target(value as Alias) : value;
    if (isMap(node)) return this.#addMembers(node, members);
    if (!isSeq(node)) throw new DecodeError('yaml: map merge requires map or sequence of maps as the value');
    for (const item of node.items.toReversed()) {
      if (isSeq(item)) throw new DecodeError('yaml: map merge requires map or sequence of maps as the value');
      this.#merge(item as YamlNode, members);
    }
  }

  #key(key: YamlNode): string {
    const node = key !== null && isAlias(key) ? this.#target(key as Alias) : key;
    const value = isScalar(node) ? scalarValue(node) : null;
    if (value === null) throw new DecodeError('yaml: unsupported map key: only strings, numbers and booleans can be keys');
    return String(value);
  }

  #line(node: YamlNode): number {
    return this.#text.slice(0, node?.range?.[0] ?? 0).split('\n').length;
  }
}

function scalarJson(node: Scalar): string {
  const value = scalarValue(node);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new DecodeError(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`);
  }
  return JSON.stringify(value);
}

type ScalarValue = string | number | bigint | boolean | null;

/** What a scalar means; quoted ones and those tagged `!!str` are strings. */
function scalarValue(node: Scalar): ScalarValue {
  const text = typeof node.value === 'string' ? node.value : (node.source ?? '');
  if (node.tag === 'tag:yaml.org,2002:binary') return Buffer.from(text, 'base64').toString('utf8');
  const isString =
    node.tag === 'tag:yaml.org,2002:str' || (node.type !== undefined && node.type !== 'PLAIN' && node.tag === undefined);
  return isString ? text : resolvePlain(text);
}

const words = new Map<string, ScalarValue>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, Number.NaN] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((word) => [word, Number.POSITIVE_INFINITY] as const),
  ...['-.inf', '-.Inf', '-.INF'].map((word) => [word, Number.NEGATIVE_INFINITY] as const),
]);

function resolvePlain(text: string): ScalarValue {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text)) return text;
  const plain = text.replaceAll('_', '');
  const integer = text.startsWith('.') ? undefined : resolveInteger(plain);
  if (integer !== undefined) return integer;
  return /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(plain) ? Number(plain) : text;
}

/** As Go's ParseInt with base 0: hexadecimal, octal (`0o17` and `017`), binary, decimal, within 64 bits. */
function resolveInteger(text: string): bigint | undefined {
  const match = /^([-+]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]+|0|[1-9][0-9]*)$/.exec(text);
  if (match === null) return undefined;
  const [, sign, digits] = match as unknown as [string, string, string];
  const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const value = sign === '-' ? -magnitude : magnitude;
  const signed = BigInt.asIntN(64, value) === value;
  return signed || (sign === '' && BigInt.asUintN(64, value) === value) ? value : undefined;
}
