/** Any schema, and values that mostly fit it: for tests of laws. */
import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../json.ts';
import type { JSONSchemaProps } from '../types.generated.ts';

/** The schema of an object with these fields. */
export const objectOf = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'object',
  properties,
  ...more,
});

/** The schema of a list of these items. */
export const listOf = (items: JSONSchemaProps, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'array',
  items: items as JsonObject,
  ...more,
});

/** The schema of a map of these values. */
export const mapOf = (values: JSONSchemaProps, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'object',
  additionalProperties: values as JsonObject,
  ...more,
});

const names = ['a', 'b', 'c', 'metadata'];
const texts = fc.constantFrom('', 'x', 'yy', 'zzz');
const numbers = fc.integer({ min: 0, max: 5 });

/** A schema of depth three at most, whose defaults have no unknown fields. */
export const anySchema: fc.Arbitrary<JSONSchemaProps> = fc.letrec<{ schema: JSONSchemaProps }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    fc.record({ type: fc.constant('string'), default: texts, nullable: fc.boolean() }, { requiredKeys: ['type'] }),
    fc.record({ type: fc.constant('integer'), default: numbers, nullable: fc.boolean() }, { requiredKeys: ['type'] }),
    fc.record(
      {
        type: fc.constant('object'),
        properties: fc.dictionary(fc.constantFrom(...names), tie('schema'), { maxKeys: 3 }),
        'x-kubernetes-preserve-unknown-fields': fc.constant(true),
        default: fc.constant({}),
      },
      { requiredKeys: ['type', 'properties'] },
    ),
    tie('schema').map((values) => mapOf(values)),
    tie('schema').map((items) => listOf(items)),
  ),
})).schema;

/** A value of the schema's shape, with nulls and unknown fields here and there. */
export function valueOf(schema: JSONSchemaProps): fc.Arbitrary<JsonValue> {
  const noise: fc.Arbitrary<JsonValue> = fc.oneof(fc.constant(null), texts, numbers, fc.constant<JsonValue>({ u: [{ v: 1 }] }));
  return fc.oneof({ weight: 6, arbitrary: fitting(schema) }, { weight: 1, arbitrary: noise });
}

function fitting({ type, properties = {}, additionalProperties, items }: JSONSchemaProps): fc.Arbitrary<JsonValue> {
  if (type === 'string') return texts;
  if (type === 'integer') return numbers;
  if (type === 'array') return fc.array(valueOf(items as JSONSchemaProps), { maxLength: 3 });
  if (typeof additionalProperties === 'object')
    return fc.dictionary(fc.constantFrom(...names), valueOf(additionalProperties as JSONSchemaProps), { maxKeys: 3 });
  const members = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, valueOf(one)]));
  return fc.record({ ...members, unknown: fc.constant<JsonValue>({ x: 1 }) }, { requiredKeys: [] }) as fc.Arbitrary<JsonValue>;
}
