/** The Go types of decoded JSON, as error messages name them. */
import type { JsonValue } from '#api/json.ts';

/** The Go type of a value in apimachinery's unstructured objects. */
export function goType(value: JsonValue): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return 'map[string]interface {}';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  return Number.isInteger(Number(value)) ? 'int64' : 'float64';
}
