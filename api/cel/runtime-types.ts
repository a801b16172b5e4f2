/** Checks the types of values when an overload is chosen at run time. It does not check elements of lists and maps. */
import type { Type } from './types.ts';
import { Duration, ListValue, MapValue, Opaque, Optional, Timestamp, TypeValue, Uint, type Value } from './values.ts';

/** Whether a value has the type. dyn and type parameters accept any value. */
export function hasType(value: Value, { kind, name }: Type): boolean {
  switch (kind) {
    case 'dyn':
    case 'param':
      return true;
    case 'bool':
      return typeof value === 'boolean';
    case 'int':
      return typeof value === 'bigint';
    case 'double':
      return typeof value === 'number';
    case 'string':
      return typeof value === 'string';
    case 'null':
      return value === null;
    case 'uint':
      return value instanceof Uint;
    case 'bytes':
      return value instanceof Uint8Array;
    case 'list':
      return value instanceof ListValue;
    case 'map':
      return value instanceof MapValue;
    case 'duration':
      return value instanceof Duration;
    case 'timestamp':
      return value instanceof Timestamp;
    case 'type':
      return value instanceof TypeValue;
    case 'struct':
      return value instanceof MapValue && value.typeName === name;
    case 'opaque':
      if (name === 'optional_type') return value instanceof Optional;
      return value instanceof Opaque && value.typeName === name;
    default:
      return false;
  }
}
