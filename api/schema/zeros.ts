/**
 * The values of fields that were not on the wire, as Go's JSON shows them. A struct that is not a pointer is always present
 * (`status: {}`, `resources: {}`). So are a scalar that Go always writes (with its zero) and a quantity (`"0"`).
 *
 * Two things differ from Go on purpose: an absent list or map that is always written is empty and not null, and a zero time stays
 * absent.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { type FieldFacts, type FieldType, type TypeFacts, typeFacts } from './facts.ts';

interface AlwaysPresent {
  name: string;
  zero(): JsonValue | undefined;
}

/**
 * The key is the facts, not the type's name: a type that is not built in may be removed, and another one added with the same
 * name.
 */
const known = new WeakMap<TypeFacts, readonly AlwaysPresent[]>();

/** Whether Go's JSON contains the field even when nothing was set. */
function isAlwaysPresent({ pointer, written, type }: FieldFacts): boolean {
  return !pointer && (written || type.kind === 'ref' || type.kind === 'quantity');
}

/** The zero of a type; undefined when JSON has none. */
export function zeroOf(type: FieldType): JsonValue | undefined {
  switch (type.kind) {
    case 'string':
    case 'bytes':
      return '';
    case 'bool':
      return false;
    case 'int32':
    case 'int64':
    case 'double':
    case 'intstr':
      return 0;
    case 'quantity':
      return '0';
    case 'list':
      return [];
    case 'map':
      return {};
    case 'ref': {
      const target: JsonObject = {};
      fillZeros(type.name, target);
      return target;
    }
    case 'duration':
      return '0s';
    case 'time':
    case 'microtime':
    case 'fieldsV1':
    case 'raw':
    case 'json':
    case 'any':
      return undefined;
  }
}

/** Adds the always-present fields to `target`, an object of the type. Fields that it has stay unchanged. */
export function fillZeros(typeName: string, target: JsonObject): void {
  const facts = typeFacts(typeName);
  let fields = known.get(facts);
  if (fields === undefined) {
    fields = facts.fields.filter(isAlwaysPresent).map(({ name, type }) => ({ name, zero: () => zeroOf(type) }));
    known.set(facts, fields);
  }
  for (const { name, zero } of fields) {
    if (target[name] !== undefined) continue;
    const value = zero();
    if (value !== undefined) target[name] = value;
  }
}

/** Whether Go's `omitempty` leaves the value out: a zero scalar, an empty list or map. */
export function isOmitted(field: FieldFacts, value: JsonValue): boolean {
  if (field.pointer || field.written) return false;
  switch (field.type.kind) {
    case 'string':
    case 'bytes':
      return value === '';
    case 'bool':
      return value === false;
    case 'int32':
    case 'int64':
    case 'double':
    case 'intstr':
      return value === 0;
    case 'list':
      return (value as JsonValue[]).length === 0;
    case 'map':
      return Object.keys(value as JsonObject).length === 0;
    case 'ref':
    case 'quantity':
    case 'time':
    case 'microtime':
    case 'duration':
    case 'fieldsV1':
    case 'raw':
    case 'json':
    case 'any':
      return false;
  }
}
