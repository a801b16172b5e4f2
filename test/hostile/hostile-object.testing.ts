/** Random objects with hostile values, and some with values of the wrong type, for property tests. */
import fc from 'fast-check';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { type FieldType, typeFacts } from '#api/schema/facts.ts';
import { ShapeError, shape } from '#api/schema/shape.ts';

const text = fc.constantFrom(
  '',
  ' ',
  '\n',
  'a"b',
  '-j ACCEPT',
  '-5',
  'None',
  '__proto__',
  'constructor',
  '0.0.0.0',
  '0.0.0.0/0',
  '10.244.0.0/16',
  '::/0',

  'fe80::1%eth0',
  '::ffff:10.0.0.1',
  '10.0.0.256',
  '010.0.0.1',
  '999',
  'NaN',
  'TCP',
  'sctp',
  'x'.repeat(300),
  'a..b',
  '*',
  '\u0000',
  'é',

  'Always',
  'In',
  'Like',
  'ClientIP',
  'LoadBalancer',
  'ExternalName',
  'Local',
  'IPv4',
  'FQDN',
  'True',
  '2026-01-01T00:00:00Z',
);
const whole = fc.constantFrom(-(2 ** 31), -5, -1, 0, 1, 80, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -(2 ** 53), 1.5);
const anything: fc.Arbitrary<JsonValue> = fc.oneof(
  text,
  whole,
  fc.constantFrom<JsonValue>(null, true, [], {}, [null], [[]], { a: null }),
);

/** Texts that Go accepts as times and quantities, but that no user means. */
const time = fc.constantFrom(
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
  '2026-01-01T00:00:00Z',
  '2026-01-01T00:00:00,5Z',
  '2026-01-01T23:59:59.123456789+23:59',
);
const microTime = fc.constantFrom('0001-01-01T00:00:00.000000Z', '9999-12-31T23:59:59.999999Z', '2026-01-01T00:00:00.000000Z');
const quantity = fc.constantFrom(
  '0',
  '-1',
  '1n',
  '9E',
  '1e-9',
  '9223372036854775807',
  '1e300',
  '-9223372036854775808',
  '0.1m',
  '1Ki',
);
const int32 = fc.constantFrom(-(2 ** 31), -5, -1, 0, 1, 80, 65_535, 65_536, 2 ** 31 - 1);
const int64 = fc.constantFrom<unknown>(
  -(2n ** 63n),
  -(2n ** 53n) - 1n,
  -1,
  0,
  1,
  2 ** 31,
  2n ** 63n - 1n,
) as fc.Arbitrary<JsonValue>;

/** A random value of the type; with `wild` also of other types. */
function valueOf(type: FieldType, depth: number, wild: boolean): fc.Arbitrary<JsonValue> {
  switch (type.kind) {
    case 'bool':
      return fc.boolean();
    case 'int32':
      return wild ? whole : int32;
    case 'int64':
      return wild ? whole : int64;
    case 'double':
      return whole;
    case 'intstr':
      return fc.oneof(wild ? whole : int32, text);
    case 'list':
      return fc.array(valueOf(type.item, depth, wild), { maxLength: 3 });
    case 'map':
      return fc.dictionary(text, valueOf(type.value, depth, wild), {
        maxKeys: 3,
        noNullPrototype: true,
      }) as fc.Arbitrary<JsonValue>;
    case 'ref':
      return depth === 0 ? fc.constant({}) : partOf(type.name, depth - 1, wild);
    case 'time':
      return wild ? text : time;
    case 'microtime':
      return wild ? text : microTime;
    case 'quantity':
      return wild ? text : quantity;
    default:
      return text;
  }
}

function partOf(typeName: string, depth: number, wild: boolean): fc.Arbitrary<JsonValue> {
  const fields = typeFacts(typeName).fields.map(({ name, type }) => {
    const value = valueOf(type, depth, wild);
    return [name, wild ? fc.oneof({ weight: 8, arbitrary: value }, { weight: 1, arbitrary: anything }) : value] as const;
  });
  return fc.record(Object.fromEntries(fields), { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<JsonValue>;
}

/**
 * Hostile objects of a type. `metadata` replaces generated fields: names and labels with which the object reaches code where it
 * could do harm.
 */
export const hostile = <T>(typeName: string, metadata: JsonObject): fc.Arbitrary<T> =>
  fc.tuple(partOf(typeName, 4, true), fc.nat()).map(([object, id]) => {
    const uid = `hostile-${id}`;
    return { ...(object as JsonObject), metadata: { name: uid, uid, resourceVersion: '1', ...metadata } } as T;
  });

/**
 * Hostile objects that the API server returns from its store: each value has its type. `metadata` is random too, except for
 * `fixed`. Each object has a name of its own, as keys in the store are unique.
 */
export const absurd = <T>(typeName: string, fixed: JsonObject = {}): fc.Arbitrary<T> =>
  fc.tuple(partOf(typeName, 4, false), partOf('meta/v1.ObjectMeta', 3, false), fc.nat()).map(([value, metadata, id]) => {
    const name = `absurd-${id}`;
    // Copied, because the generator's constants are shared.
    const object = structuredClone({
      ...(value as JsonObject),
      metadata: { ...(metadata as JsonObject), name, uid: name, resourceVersion: '1', ...fixed },
    });
    shape(typeName, object);
    return object as T;
  });

/** Whether the API server returns the value from its store. Completes it in place, as the server does. */
export function hasShape(type: string, object: unknown): boolean {
  try {
    shape(type, object);
    return true;
  } catch (error) {
    if (error instanceof ShapeError) return false;
    throw error;
  }
}
