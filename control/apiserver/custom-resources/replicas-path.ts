/** Paths of `subresources.scale`, which are plain field names with dots. Pure. Source: apimachinery `pkg/apis/meta/v1/unstructured/helpers.go`. */
import { stringifyExact } from '#api/int64.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import { goType } from './go-type.ts';

const namesOf = (path: string): string[] => path.replace(/^\./, '').split('.');

/** The value at the path, or what stands in its way (`wrong`, in upstream's words). */
export function valueAt(object: JsonObject, path: string): { value: JsonValue | undefined; wrong?: string } {
  let at: JsonValue | undefined = object;
  const passed: string[] = [];
  for (const name of namesOf(path)) {
    if (at === undefined || at === null) return { value: undefined };
    if (!isJsonObject(at))
      return {
        value: undefined,
        wrong: `.${passed.join('.')} accessor error: ${shown(at)} is of the type ${goType(at)}, expected map[string]interface{}`,
      };
    passed.push(name);
    at = ownValue(at, name);
  }
  return { value: at };
}

/** An integer there; `wrong` says that there is something else. */
export function integerAt(object: JsonObject, path: string): { value: number | undefined; wrong?: string } {
  const { value, wrong } = valueAt(object, path);
  if (wrong !== undefined || value === undefined) return { value: undefined, ...(wrong === undefined ? {} : { wrong }) };
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) return { value: Number(value) };
  return { value: undefined, wrong: typeError(value, path, 'int64') };
}

/** A text there; `wrong` says that there is something else. */
export function textAt(object: JsonObject, path: string): { value: string | undefined; wrong?: string } {
  const { value, wrong } = valueAt(object, path);
  if (wrong !== undefined || value === undefined) return { value: undefined, ...(wrong === undefined ? {} : { wrong }) };
  return typeof value === 'string' ? { value } : { value: undefined, wrong: typeError(value, path, 'string') };
}

/** A copy with this value at the path; parts that the path does not touch are shared. */
export function withValueAt(object: JsonObject, path: string, value: JsonValue): JsonObject {
  const [name = '', ...rest] = namesOf(path);
  if (rest.length === 0) return { ...object, [name]: value };
  const inner = ownValue(object, name);
  return { ...object, [name]: withValueAt(isJsonObject(inner) ? inner : {}, rest.join('.'), value) };
}

const typeError = (value: JsonValue, path: string, wanted: string): string =>
  `.${namesOf(path).join('.')} accessor error: ${shown(value)} is of the type ${goType(value)}, expected ${wanted}`;

const shown = (value: JsonValue): string => (typeof value === 'string' ? value : stringifyExact(value));
