/**
 * JSON in annotations that stands for Go structs: written field by field in Go's order, read in any case and any order, as encoding/json does.
 *
 * Source: pkg.go.dev/encoding/json (Marshal, Unmarshal); apimachinery `pkg/api/resource` (Quantity), `pkg/apis/meta/v1/time.go`.
 */
import { parseJson } from '#api/codec/json.ts';
import { escapeHtml, goJson } from '#api/go-json.ts';
import { stringifyExact } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { canonicalQuantity } from '#api/quantity.ts';
import { canonicalTime } from '#api/time.ts';

/** A type of Go, as far as these annotations use them. */
export type Form = 'string' | 'int32' | 'quantity' | 'time' | 'labels' | { list: Form } | { fields: readonly FormField[] };

/**
 * What is written for an absent value. `zero`: the zero of its type. `omit`: nothing, nor for an empty text, list or map. `pointer`: nothing.
 * `null`: null, which is what a pointer without `omitempty` gives.
 */
export type Absent = 'zero' | 'omit' | 'pointer' | 'null';

/** One field of a Go struct, with its JSON tag. */
export interface FormField {
  /** The name in the object. */
  name: string;
  /** The key in the JSON text. */
  key: string;
  form: Form;
  absent: Absent;
}

/** The text does not fit the type. */
export class FormError extends Error {
  override name = 'FormError';
}

/** A field whose key is its name. */
export const field = (name: string, form: Form, absent: Absent = 'zero'): FormField => ({ name, key: name, form, absent });

/** The value as Go's json.Marshal writes it. */
export const writeForm = (value: JsonValue | undefined, form: Form): string => escapeHtml(written(value, form));

function written(value: JsonValue | undefined, form: Form): string {
  if (typeof form === 'string') return writtenScalar(value, form);
  if ('list' in form) return Array.isArray(value) ? `[${value.map((item) => written(item, form.list)).join(',')}]` : 'null';
  const object = isJsonObject(value) ? value : {};
  const fields = form.fields.flatMap(({ name, key, form: inner, absent }) => {
    const own = object[name];
    if (own === undefined || own === null)
      return absent === 'zero' ? [`"${key}":${written(undefined, inner)}`] : absent === 'null' ? [`"${key}":null`] : [];
    if (absent === 'omit' && isEmpty(own)) return [];
    return [`"${key}":${written(own, inner)}`];
  });
  return `{${fields.join(',')}}`;
}

function writtenScalar(value: JsonValue | undefined, form: Extract<Form, string>): string {
  switch (form) {
    case 'string':
      return JSON.stringify(value ?? '');
    case 'int32':
      return stringifyExact(value ?? 0);
    case 'quantity':
      return JSON.stringify(value === undefined ? '0' : canonicalQuantity(value as string | number));
    case 'time':
      return JSON.stringify(value ?? null);
    case 'labels':
      return value === undefined ? 'null' : goJson(value);
  }
}

const isEmpty = (value: JsonValue): boolean =>
  value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/**
 * The value that Go's json.Unmarshal makes of the text; undefined for null. What is absent stays absent.
 * @throws Error when the text is no JSON, or does not fit: Go refuses it, too
 */
export const readForm = (text: string, form: Form): JsonValue | undefined => read(parseJson(text), form);

function read(value: JsonValue, form: Form): JsonValue | undefined {
  if (value === null) return undefined;
  if (typeof form === 'string') return readScalar(value, form);
  if ('list' in form) {
    if (!Array.isArray(value)) throw new FormError('not a list');
    return value.map((item) => read(item, form.list) ?? zero(form.list));
  }
  if (!isJsonObject(value)) throw new FormError('not an object');
  const found: JsonObject = {};
  const byKey = new Map(form.fields.map((one) => [one.key.toLowerCase(), one]));
  for (const [key, inner] of Object.entries(value)) {
    const known = byKey.get(key.toLowerCase());
    if (known === undefined || inner === undefined) continue;
    const own = read(inner, known.form);
    if (own !== undefined) found[known.name] = own;
  }
  return found;
}

/** In a list null is the zero of the elements' type. */
function zero(form: Form): JsonValue {
  if (typeof form !== 'string') return 'list' in form ? [] : {};
  return form === 'int32' ? 0 : form === 'quantity' ? '0' : form === 'labels' ? {} : '';
}

function readScalar(value: JsonValue, form: Extract<Form, string>): JsonValue {
  switch (form) {
    case 'string':
      if (typeof value !== 'string') throw new FormError('not a string');
      return value;
    case 'int32':
      if (typeof value !== 'number' || (value | 0) !== value) throw new FormError('not a 32-bit integer');
      return value;
    case 'quantity':
      if (typeof value !== 'string' && typeof value !== 'number') throw new FormError('not a quantity');
      return canonicalQuantity(value);
    case 'time':
      if (typeof value !== 'string') throw new FormError('not a time');
      return canonicalTime(value);
    case 'labels':
      if (!isJsonObject(value)) throw new FormError('not a map');
      return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, read(text ?? null, 'string') ?? '']));
  }
}
