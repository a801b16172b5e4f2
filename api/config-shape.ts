/** Strict reading of a configuration file: unknown fields and values of another type are errors, in upstream's words. Pure. */
import type { JsonValue } from './json.ts';

/** What a value may be. */
export type Shape =
  | 'string'
  | 'number'
  | 'boolean'
  | 'any'
  | { readonly list: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> };

/** The problems of a value: `unknown field "profiles[0].foo"`. @param path of the value; empty at the top */
export function shapeProblems(value: JsonValue | undefined, shape: Shape, path = ''): string[] {
  if (value === undefined || value === null || shape === 'any') return [];
  if (typeof shape === 'string')
    return typeof value === shape ? [] : [`json: cannot unmarshal ${kindOf(value)} into field ${path} of type ${shape}`];
  if ('list' in shape) {
    if (!Array.isArray(value)) return [`json: cannot unmarshal ${kindOf(value)} into field ${path} of type list`];
    return value.flatMap((item, index) => shapeProblems(item, shape.list, `${path}[${index}]`));
  }
  if (typeof value !== 'object' || Array.isArray(value))
    return [`json: cannot unmarshal ${kindOf(value)} into field ${path} of type object`];
  return Object.entries(value).flatMap(([key, item]) => {
    const at = path === '' ? key : `${path}.${key}`;
    const known = Object.hasOwn(shape.fields, key) ? shape.fields[key] : undefined;
    return known === undefined ? [`unknown field "${at}"`] : shapeProblems(item, known, at);
  });
}

const kindOf = (value: JsonValue): string =>
  Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
