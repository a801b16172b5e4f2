/**
 * Values as upstream's errors print them: in the names of Go's fields, every field of it, in Go's order. By the schema facts, so for types
 * whose internal form has the same fields as the served one.
 */
import type { JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import { type FieldType, typeFacts } from '#api/schema/facts.ts';
import { zeroOf } from '#api/schema/zeros.ts';

/** Go's names that are not the wire name with a capital. */
export type GoNames = Readonly<Record<string, string>>;

/** @param names of all types within; those of metav1 and raw values print as they are sent */
export function goValue(typeName: string, value: object, names: GoNames): JsonValue {
  return shown({ kind: 'ref', name: typeName }, value as JsonValue, names);
}

function shown(type: FieldType, value: JsonValue, names: GoNames): JsonValue {
  if (type.kind === 'list' && Array.isArray(value)) return value.map((item) => shown(type.item, item, names));
  if (!isJsonObject(value)) return value;
  if (type.kind === 'map')
    return Object.fromEntries(
      Object.keys(value)
        .sort()
        .map((key) => [key, shown(type.value, value[key] ?? null, names)]),
    );
  if (type.kind !== 'ref' || type.name.startsWith('meta/')) return value;
  const fields = typeFacts(type.name).fields.toSorted((a, b) => (a.protoPath[0] ?? 0) - (b.protoPath[0] ?? 0));
  return Object.fromEntries(
    fields.map((field) => {
      const goName = names[field.name] ?? field.name.charAt(0).toUpperCase() + field.name.slice(1);
      const given = ownValue(value, field.name);
      if (given !== undefined) return [goName, shown(field.type, given, names)];
      if (field.pointer) return [goName, null];
      return [goName, field.type.kind === 'ref' ? shown(field.type, {}, names) : goZero(field.type)];
    }),
  );
}

const goZero = (type: FieldType): JsonValue => (type.kind === 'list' || type.kind === 'map' ? null : (zeroOf(type) ?? null));
