/**
 * The errors of upstream's converter from maps to typed objects. Upstream uses it, not the JSON decoder, for the result of a strategic merge
 * patch, and its error texts are its own: `cannot convert int64 to string`, `unrecognized type: int32`.
 *
 * Source: apimachinery `pkg/runtime/converter.go` (fromUnstructured).
 */
import { isInt64 } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { type FieldType, goTypeName, typeFacts } from '#api/schema/facts.ts';

/** The error for a value that Go cannot convert to the type; undefined: it can, or the type decodes itself (times, quantities). */
export function conversionError(value: JsonValue | undefined, type: FieldType, goType = goTypeName(type)): string | undefined {
  if (value === null || value === undefined) return undefined;
  const source = goKind(value);
  switch (type.kind) {
    case 'ref': {
      if (source !== 'map') return `cannot restore struct from: ${source}`;
      const { fields } = typeFacts(type.name);
      return first(fields, (field) => conversionError((value as JsonObject)[field.name], field.type, field.goType));
    }
    case 'list':
      if (source !== 'slice') return `cannot restore slice from ${source}`;
      return first(value as JsonValue[], (item) => conversionError(item, type.item, elementType(goType, '[]')));
    case 'map':
      if (source !== 'map') return `cannot restore map from ${source}`;
      return first(Object.values(value as JsonObject), (item) =>
        conversionError(item, type.value, elementType(goType, 'map[string]')),
      );
    case 'string':
      if (source === 'string') return undefined;
      // Go turns an integer into the character of that number, so it is "convertible", and then refused.
      return source === 'int64' ? `cannot convert int64 to ${goType}` : 'unrecognized type: string';
    case 'bool':
      return source === 'bool' ? undefined : 'unrecognized type: bool';
    case 'int32':
    case 'int64':
      if (source === 'int64') return undefined;
      return source === 'float64' ? `cannot convert float64 to ${goType}` : `unrecognized type: ${type.kind}`;
    case 'double':
      return source === 'int64' || source === 'float64' ? undefined : 'unrecognized type: float64';
    case 'bytes':
      return source === 'string' || source === 'slice' ? undefined : `cannot restore slice from ${source}`;
    case 'quantity':
    case 'time':
    case 'microtime':
    case 'duration':
    case 'intstr':
    case 'fieldsV1':
    case 'raw':
    case 'json':
    case 'any':
      return undefined;
  }
}

function goKind(value: JsonValue): 'string' | 'bool' | 'int64' | 'float64' | 'slice' | 'map' {
  if (Array.isArray(value)) return 'slice';
  if (typeof value === 'object') return 'map';
  if (isInt64(value)) return 'int64';
  if (typeof value === 'number') return 'float64';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

const elementType = (goType: string, container: string): string | undefined =>
  goType.startsWith(container) ? goType.slice(container.length) : undefined;

function first<T>(items: readonly T[], problem: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = problem(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
