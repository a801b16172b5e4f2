/** Random objects of every API type for property tests, made from the schema facts. */
import fc from 'fast-check';
import { formatDuration } from '#api/duration.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { type FieldType, typeFacts, typeNames } from '../schema/facts.ts';

const key = fc.constantFrom('a', 'b-c', 'example.com/x', '', '__proto__', 'ä');
const text = fc.oneof(fc.constantFrom('', 'a', 'web-1'), fc.string({ unit: 'grapheme', maxLength: 200 }));
const seconds = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
const json = fc
  .jsonValue({ maxDepth: 2 })
  .filter((value) => value !== null && !JSON.stringify(value).includes('-0')) as fc.Arbitrary<JsonValue>;

/** The fields of a JSON schema that may hold values of several types. */
const schemaUnions: Record<string, fc.Arbitrary<JsonValue>> = {
  'v1.JSONSchemaPropsOrBool': fc.constantFrom<JsonValue>(true, false, { type: 'string' }),
  'v1.JSONSchemaPropsOrArray': fc.constantFrom<JsonValue>([], [{ type: 'string' }, {}], { minLength: 0 }),
  'v1.JSONSchemaDependencies': fc.constantFrom<JsonValue>({}, { a: ['b', 'c'], d: { type: 'string' } }),
};

/** A random value of a field's type. Beyond the maximum depth, fields of other object types are left out. */
function valueOf(type: FieldType, depth: number): fc.Arbitrary<JsonValue> | undefined {
  switch (type.kind) {
    case 'duration':
      return fc.integer({ min: 0, max: 1e9 }).map((ms) => formatDuration(ms));
    case 'string':
      return text;
    case 'bool':
      return fc.boolean();
    case 'int32':
      return fc.oneof(fc.constant(0), fc.integer());
    case 'int64':
      return fc.oneof(fc.constant(0), fc.maxSafeInteger());
    case 'double':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
    case 'bytes':
      return fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64'));
    case 'quantity':
      return fc.constantFrom('0', '100m', '1Gi', '1024Mi', '0.5', '1e3', 2);
    case 'time':
      return seconds.map((date) => `${date.toISOString().slice(0, 19)}Z`);
    case 'microtime':
      return fc
        .tuple(seconds, fc.nat({ max: 999 }))
        .map(([date, micros]) => date.toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`));
    case 'intstr':
      return fc.oneof(fc.integer(), text);
    case 'fieldsV1':
    case 'raw':
    case 'json':
    case 'any':
      return json;
    case 'list': {
      const item = valueOf(type.item, depth);
      return item === undefined ? undefined : fc.array(item, { maxLength: 3 });
    }
    case 'map': {
      const value = valueOf(type.value, depth);
      return value === undefined
        ? undefined
        : (fc.dictionary(key, value, { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<JsonValue>);
    }
    case 'ref':
      return depth === 0 ? undefined : objectOf(type.name, depth - 1);
  }
}

/**
 * A random object of the type with any of its fields, but without `apiVersion` and `kind`, which are not part of the protobuf
 * message.
 */
function objectOf(typeName: string, depth: number): fc.Arbitrary<JsonObject> {
  const fields: Record<string, fc.Arbitrary<JsonValue>> = {};
  for (const { name, protoPath, type, goType } of typeFacts(typeName).fields) {
    const value = protoPath.length === 0 ? undefined : (schemaUnions[goType ?? ''] ?? valueOf(type, depth));
    if (value !== undefined) fields[name] = value;
  }
  return fc.record(fields, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<JsonObject>;
}

/** A random type's name and a random object of that type. */
export const anyObject: fc.Arbitrary<[typeName: string, object: JsonObject]> = fc
  .constantFrom(...typeNames())
  .chain((typeName) => fc.tuple(fc.constant(typeName), objectOf(typeName, 2)));
