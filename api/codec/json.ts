/**
 * Decodes JSON into API objects as upstream's server does. Field names are case-sensitive. Fields that the type does not have are
 * dropped and reported. Nulls and zeros become what Go makes of them. Quantities and times become canonical.
 *
 * Text that this server has written itself (in its store) is read with JSON.parse, which is faster.
 *
 * Source: sigs.k8s.io/json, apimachinery `pkg/runtime/serializer/json`.
 */
import { isJsonObject } from '#api/json.ts';
import { numberFromText } from '../int64.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { canonicalQuantity, QuantityError } from '../quantity.ts';
import { type FieldFacts, type FieldType, goTypeName, type TypeFacts, typeFacts } from '../schema/facts.ts';
import { fillZeros, isOmitted, zeroOf } from '../schema/zeros.ts';
import { canonicalMicroTime, canonicalTime, TimeError } from '../time.ts';
import { checkBase64 } from './base64.ts';
import { JsonScanner, JsonSyntaxError, setMember } from './json-scanner.ts';
import { memberValues } from './limits.ts';

/** The values of `?fieldValidation=`: refuse unknown and duplicate fields, warn about them, or ignore them. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** The body cannot be decoded. The message is upstream's. The client gets 400 BadRequest. */
export class DecodeError extends Error {
  override name = 'DecodeError';
}

/** A decoded object. */
export interface Decoded {
  object: JsonObject;
  /**
   * Texts such as `unknown field "spec.foo"` and `duplicate field "spec.x"`, in the order of the JSON text, each once. Empty with
   * `Ignore`.
   */
  problems: string[];
}

/** Limit of collected problems. Go has the same limit. */
const maxProblems = 100;

/**
 * The message of `Strict` for these problems, which follows upstream's text about kind and version: `strict decoding error:
 * unknown field "spec.foo", …`.
 */
export function strictDecodingText(problems: readonly string[]): string {
  return `strict decoding error: ${problems.join(', ')}`;
}

const textOf = (input: string | Uint8Array): string =>
  typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('utf8');

/**
 * Decodes an object of a known type.
 *
 * @param typeName for example `core/v1.Pod`
 * @throws DecodeError for malformed JSON, a value of the wrong type, a malformed quantity or time
 */
export function decodeJson(input: string | Uint8Array, typeName: string, validation: FieldValidation): Decoded {
  const text = textOf(input);
  return new TypedDecoder(text, validation !== 'Ignore').decode(typeFacts(typeName));
}

/**
 * Reads only `apiVersion` and `kind`. Upstream does this first, so its errors come before all others.
 *
 * @throws DecodeError `couldn't get version/kind; json parse error: …`
 */
export function readTypeMeta(input: string | Uint8Array): { apiVersion: string; kind: string } {
  const value = quicklyParsed(textOf(input)) ?? parseJson(input, "couldn't get version/kind; json parse error: ");
  if (value === null) return { apiVersion: '', kind: '' };
  const prefix = "couldn't get version/kind; json parse error: json: cannot unmarshal";
  if (typeof value !== 'object' || Array.isArray(value)) {
    const goType = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';
    throw new DecodeError(`${prefix} ${jsonKind(value)} into Go value of type ${goType}`);
  }
  const meta = { apiVersion: '', kind: '' };
  for (const name of ['apiVersion', 'kind'] as const) {
    const found = value[name] ?? '';
    if (typeof found !== 'string')
      throw new DecodeError(`${prefix} ${jsonKind(found)} into Go struct field .${name} of type string`);
    meta[name] = found;
  }
  return meta;
}

/**
 * Parses well-formed text quickly; undefined for malformed text. Every create and update passes here, and only malformed text
 * needs the slow scanner with Go's error texts.
 */
function quicklyParsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function jsonKind(value: JsonValue): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** Parses JSON of any shape (a patch, for example). @throws DecodeError with `prefix` and Go's text */
export function parseJson(input: string | Uint8Array, prefix = ''): JsonValue {
  return parseJsonStrict(input, prefix).value;
}

/** Like {@link parseJson}. `problems` has the duplicate keys, which upstream's strict decoding of patches reports. */
export function parseJsonStrict(input: string | Uint8Array, prefix = ''): { value: JsonValue; problems: string[] } {
  const text = textOf(input);
  const problems = new Set<string>();
  try {
    const scanner = new JsonScanner(text);
    const value = scanner.value((path) => problems.size < maxProblems && problems.add(`duplicate field ${JSON.stringify(path)}`));
    scanner.end();
    return { value, problems: [...problems] };
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new DecodeError(`${prefix}${error.message}`, { cause: error });
    throw error;
  }
}

/**
 * Decodes one text in one pass. Go first checks the syntax of the whole text and then decodes. A value of the wrong type does not
 * stop Go; it reports the first one at the end. A malformed quantity or time stops Go and is reported instead. To give the same
 * error in one pass, errors are kept until the text has ended.
 */
class TypedDecoder {
  readonly #scanner: JsonScanner;
  readonly #strict: boolean;
  readonly #problems = new Set<string>();
  /** The first value of the wrong type. */
  #typeError: string | undefined;
  /** The first malformed quantity or time. Later errors do not count. */
  #fatal: string | undefined;
  /** The fields on the path from the root, as Go names them in errors: without indexes and map keys. */
  readonly #fields: string[] = [];
  /** The Go struct that each of those fields belongs to. */
  readonly #structs: string[] = [];
  /** The path from the root as strict errors print it. */
  #path = '';

  constructor(text: string, strict: boolean) {
    this.#scanner = new JsonScanner(text);
    this.#strict = strict;
  }

  decode(facts: TypeFacts): Decoded {
    let object: JsonObject;
    try {
      object = this.#value({ kind: 'ref', name: facts.name }, undefined, undefined) as JsonObject;
      this.#scanner.end();
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      throw new DecodeError(`couldn't get version/kind; json parse error: ${error.message}`, { cause: error });
    }
    const wrong = this.#fatal ?? this.#typeError;
    if (wrong !== undefined) throw new DecodeError(wrong);
    return { object, problems: [...this.#problems] };
  }

  #problem(kind: string, name: string): void {
    if (!this.#strict || this.#problems.size >= maxProblems || this.#fatal !== undefined) return;
    this.#problems.add(`${kind} field ${JSON.stringify(this.#path === '' ? name : `${this.#path}.${name}`)}`);
  }

  /** Keeps the first value of the wrong type. The value counts as absent. */
  #mismatch(value: string, goType: string): void {
    const field = this.#fields.length === 0 ? 'value' : `struct field ${this.#structs.at(-1)}.${this.#fields.join('.')}`;
    this.#typeError ??= `json: cannot unmarshal ${value} into Go ${field} of type ${goType}`;
  }

  /**
   * Reads a value of the type. Undefined when it is null or has the wrong type.
   *
   * @param goType the Go type's name, if it does not follow from the type
   * @param into the value of an earlier field with the same name. Go merges objects into it
   *
   */
  #value(type: FieldType, goType: string | undefined, into: JsonValue | undefined): JsonValue | undefined {
    const scanner = this.#scanner;
    scanner.count();
    const kind = scanner.kind();
    if (kind === 'null') {
      scanner.literal();
      return type.kind === 'ref' && this.#fields.length === 0 ? this.#filled(type.name, {}) : undefined;
    }
    if (type.kind === 'ref' && kind === 'object') return this.#struct(typeFacts(type.name), isJsonObject(into) ? into : {});
    if (type.kind === 'list' && kind === 'array') return this.#list(type.item, goType);
    if (type.kind === 'map' && kind === 'object') return this.#map(type.value, goType, isJsonObject(into) ? into : {});
    return this.#scalar(type, kind, goType);
  }

  #skipMismatch(kind: string, goType: string): void {
    this.#scanner.skip();
    this.#mismatch(kind, goType);
  }

  #filled(typeName: string, object: JsonObject): JsonObject {
    fillZeros(typeName, object);
    return object;
  }

  #struct(facts: TypeFacts, object: JsonObject): JsonObject {
    const scanner = this.#scanner;
    const outer = this.#path;
    const seen = this.#strict ? new Set<string>() : undefined;
    scanner.enter();
    for (let key = scanner.key(true); key !== undefined; key = scanner.moreMembers() ? scanner.key(false) : undefined) {
      const field = facts.byName.get(key);
      if (field === undefined) {
        if (facts.open) this.#anyField(key, object);
        else {
          this.#problem('unknown', key);
          scanner.skip();
        }
        continue;
      }
      if (seen !== undefined) {
        if (seen.has(key)) this.#problem('duplicate', key);
        seen.add(key);
        this.#path = outer === '' ? key : `${outer}.${key}`;
      }
      this.#fields.push(key);
      this.#structs.push(facts.goName);
      this.#field(field, object);
      this.#fields.pop();
      this.#structs.pop();
      this.#path = outer;
    }
    scanner.leave();
    return this.#filled(facts.name, object);
  }

  /** A field that the type does not list and keeps. */
  #anyField(key: string, object: JsonObject): void {
    const path = this.#path === '' ? key : `${this.#path}.${key}`;
    const duplicate = (at: string): void => {
      if (this.#problems.size < maxProblems && this.#fatal === undefined)
        this.#problems.add(`duplicate field ${JSON.stringify(at)}`);
    };
    if (this.#strict && Object.hasOwn(object, key)) duplicate(path);
    setMember(object, key, this.#scanner.value(this.#strict ? duplicate : undefined, path));
  }

  #field(field: FieldFacts, object: JsonObject): void {
    const value = this.#value(field.type, field.goType, object[field.name]);
    // A zero removes the value of an earlier field with the same name, because Go does not write empty values.
    if (value === undefined || isOmitted(field, value)) delete object[field.name];
    else object[field.name] = value;
  }

  #list(item: FieldType, goType: string | undefined): JsonValue[] {
    const scanner = this.#scanner;
    const outer = this.#path;
    const itemType = goType?.startsWith('[]') === true ? goType.slice(2) : undefined;
    const list: JsonValue[] = [];
    scanner.enter();
    if (!scanner.emptyArray()) {
      do {
        if (this.#strict) this.#path = `${outer}[${list.length}]`;
        list.push(this.#value(item, itemType, undefined) ?? zeroOf(item) ?? null);
      } while (scanner.moreElements());
    }
    scanner.leave();
    this.#path = outer;
    return list;
  }

  #map(valueType: FieldType, goType: string | undefined, map: JsonObject): JsonObject {
    const scanner = this.#scanner;
    const outer = this.#path;
    const elementType = goType?.startsWith('map[string]') === true ? goType.slice('map[string]'.length) : undefined;
    const seen = this.#strict ? new Set<string>() : undefined;
    scanner.enter();
    for (let key = scanner.key(true); key !== undefined; key = scanner.moreMembers() ? scanner.key(false) : undefined) {
      if (seen !== undefined) {
        if (seen.has(key)) this.#problem('duplicate', key);
        seen.add(key);
        this.#path = outer === '' ? key : `${outer}.${key}`;
      }
      scanner.count(memberValues - 1);
      setMember(map, key, this.#value(valueType, elementType, undefined) ?? zeroOf(valueType) ?? null);
      this.#path = outer;
    }
    scanner.leave();
    return map;
  }

  /** Reads a scalar. A value that matches no case has the wrong type. */
  #scalar(type: FieldType, kind: string, goType: string | undefined): JsonValue | undefined {
    switch (type.kind) {
      case 'quantity':
        return this.#quantity(kind);
      case 'time':
      case 'microtime':
        return this.#time(type.kind, kind);
      case 'intstr':
        return kind === 'string' ? this.#scanner.string() : this.#intOrString(kind);
      case 'int32':
      case 'int64':
        return this.#integer(kind, type.kind, goType ?? type.kind);
      case 'string':
      case 'duration':
        if (kind === 'string') return this.#scanner.string();
        break;
      case 'bytes':
        if (kind === 'string') return this.#base64(this.#scanner.string());
        break;
      case 'bool':
        if (kind === 'bool') return this.#scanner.literal() as boolean;
        break;
      case 'double':
        if (kind === 'number') return Number(this.#scanner.number());
        break;
      case 'fieldsV1':
        // As many again as the object has: what the server itself has recorded of an object must not keep clients from writing it.
        return this.#scanner.record();
      case 'raw':
      case 'json':
      case 'any':
        return this.#scanner.value();
      case 'ref':
      case 'list':
      case 'map':
        break;
    }
    this.#skipMismatch(kind, goType ?? goTypeName(type));
    return undefined;
  }

  #integer(kind: string, width: 'int32' | 'int64', goType: string): number | undefined {
    if (kind !== 'number') {
      this.#skipMismatch(kind, goType);
      return undefined;
    }
    const text = this.#scanner.number();
    const small = /^-?[0-9]{1,9}$/.test(text);
    // A number of 64 bits has at most 19 digits. Longer texts are not parsed: BigInt takes long for a million digits.
    if (small || (/^-?[0-9]{1,19}$/.test(text) && fits(BigInt(text), width))) return text === '-0' ? 0 : numberFromText(text);
    this.#mismatch(`number ${text}`, goType);
    return undefined;
  }

  /** IntOrString has its own decoder in Go, so a wrong value stops Go there. */
  #intOrString(kind: string): number | undefined {
    const earlier = this.#typeError;
    this.#typeError = undefined;
    const value = this.#integer(kind, 'int32', 'int32');
    this.#fatal ??= this.#typeError;
    this.#typeError = earlier;
    return value;
  }

  /** A quantity may be a string or a number. Any other value gives a text that is no quantity. */
  #quantity(kind: string): string | undefined {
    const start = this.#scanner.position;
    const read = kind === 'string' ? this.#scanner.string() : undefined;
    if (read === undefined) this.#scanner.skip();
    const text = (read ?? this.#scanner.text.slice(start, this.#scanner.position)).trim();
    try {
      return canonicalQuantity(text);
    } catch (error) {
      if (!(error instanceof QuantityError)) throw error;
      this.#fatal ??= error.message;
      return undefined;
    }
  }

  #time(width: 'time' | 'microtime', kind: string): string | undefined {
    if (kind !== 'string') {
      this.#scanner.skip();
      // Time has its own decoder in Go, so a wrong value stops Go there.
      const field = `${this.#structs.at(-1)}.${this.#fields.join('.')}`;
      this.#fatal ??= `json: cannot unmarshal ${kind} into Go struct field ${field} of type string`;
      return undefined;
    }
    const text = this.#scanner.string();
    try {
      return width === 'time' ? canonicalTime(text) : canonicalMicroTime(text);
    } catch (error) {
      if (!(error instanceof TimeError)) throw error;
      this.#fatal ??= error.message;
      return undefined;
    }
  }

  #base64(text: string): string | undefined {
    const checked = checkBase64(text);
    if ('text' in checked) return checked.text;
    this.#typeError ??= `illegal base64 data at input byte ${checked.illegalAt}`;
    return undefined;
  }
}

function fits(value: bigint, width: 'int32' | 'int64'): boolean {
  return BigInt.asIntN(width === 'int32' ? 32 : 64, value) === value;
}
