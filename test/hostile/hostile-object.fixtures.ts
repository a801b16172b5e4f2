/** Objects of a type with values that nobody would write in good faith, and some that are not of the type at all; for property tests. */
import fc from 'fast-check';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { type FieldType, typeFacts } from '#api/schema/facts.ts';

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

function valueOf(type: FieldType, depth: number): fc.Arbitrary<JsonValue> {
  switch (type.kind) {
    case 'bool':
      return fc.boolean();
    case 'int32':
    case 'int64':
    case 'double':
      return whole;
    case 'intstr':
      return fc.oneof(whole, text);
    case 'list':
      return fc.array(valueOf(type.item, depth), { maxLength: 3 });
    case 'map':
      return fc.dictionary(text, valueOf(type.value, depth), { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<JsonValue>;
    case 'ref':
      return depth === 0 ? fc.constant({}) : partOf(type.name, depth - 1);
    default:
      return text;
  }
}

function partOf(typeName: string, depth: number): fc.Arbitrary<JsonValue> {
  const fields = typeFacts(typeName).fields.map(
    ({ name, type }) =>
      [name, fc.oneof({ weight: 8, arbitrary: valueOf(type, depth) }, { weight: 1, arbitrary: anything })] as const,
  );
  return fc.record(Object.fromEntries(fields), { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<JsonValue>;
}

/** `metadata` is laid over what comes out of the generator: names and labels that let the object in where it does harm. */
export const hostile = <T>(typeName: string, metadata: JsonObject): fc.Arbitrary<T> =>
  fc.tuple(partOf(typeName, 4), fc.nat()).map(([object, id]) => {
    const uid = `hostile-${id}`;
    return { ...(object as JsonObject), metadata: { name: uid, uid, resourceVersion: '1', ...metadata } } as T;
  });
