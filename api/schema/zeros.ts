/**
 * What a decoded object holds for fields that were not on the wire, as Go's own JSON shows it: a struct that is not a pointer
 * is always there (`status: {}`, `resources: {}`), so is a scalar that its type always writes (with its zero) and a quantity (`"0"`).
 *
 * Two things differ from Go on purpose: such a list or map is empty when absent, not null, and a zero time stays absent.
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { type FieldFacts, type FieldType, type TypeFacts, typeFacts } from './facts.ts';

interface AlwaysPresent {
  name: string;
  zero(): JsonValue | undefined;
}

/** By the facts themselves: a type that is not built in may go, and another one come under its name. */
const known = new WeakMap<TypeFacts, readonly AlwaysPresent[]>();

/** Whether Go's JSON shows the field although nothing was set. */
function isAlwaysPresent({ pointer, written, type }: FieldFacts): boolean {
  return !pointer && (written || type.kind === 'ref' || type.kind === 'quantity');
}

/** The zero of a type; undefined where JSON has nothing for it. */
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
    case 'time':
    case 'microtime':
    case 'fieldsV1':
    case 'raw':
    case 'json':
      return undefined;
  }
}

/** Adds to `target`, an object of the type, what is always present; what is there already stays. */
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
    case 'fieldsV1':
    case 'raw':
    case 'json':
      return false;
  }
}
