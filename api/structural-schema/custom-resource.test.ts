import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FieldError, LongValidation } from '../field-error.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { atOnce } from '../steps.ts';
import type { JSONSchemaProps } from '../types.generated.ts';
import { validateBriefly, validateCustomResource } from './custom-resource.ts';
import { listOf, mapOf, objectOf } from './schema.testing.ts';
import { parseStructuralSchema } from './structural-schema.ts';

const lines = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`);
const unchecked =
  '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

/** The errors of `spec`, whose schema is given. */
function errorsOf(schema: JSONSchemaProps, spec: JsonValue, old?: JsonValue): string[] {
  const object = (value: JsonValue): JsonObject => ({ apiVersion: 'e.com/v1', kind: 'E', metadata: { name: 'e' }, spec: value });
  const root = parseStructuralSchema(objectOf({ spec: schema }));
  return lines(validateCustomResource(object(spec), old === undefined ? undefined : object(old), root));
}

interface ValueCase {
  schema: JSONSchemaProps;
  value: JsonValue;
  errors: string[];
}

const typeError = (found: string, wanted: string): string =>
  `spec: Invalid value: "${found}": spec in body must be of type ${wanted}: "${found}"`;

/** Source of the messages: kube-openapi `pkg/validation/errors`; apiextensions-apiserver `pkg/apiserver/validation/validation_test.go`. */
const valueCases: ValueCase[] = [
  { schema: { type: 'string' }, value: 1, errors: [typeError('integer', 'string')] },
  { schema: { type: 'integer' }, value: 'x', errors: [typeError('string', 'integer')] },
  { schema: { type: 'number' }, value: 1, errors: [] },
  { schema: { type: 'boolean' }, value: [], errors: [typeError('array', 'boolean')] },
  { schema: { type: 'array' }, value: {}, errors: [typeError('object', 'array')] },
  { schema: { type: 'string' }, value: null, errors: [typeError('null', 'string')] },
  { schema: { type: 'string', nullable: true }, value: null, errors: [] },
  {
    schema: { type: 'integer', minimum: 2, maximum: 4 },
    value: 1,
    errors: ['spec: Invalid value: 1: spec in body should be greater than or equal to 2'],
  },
  {
    schema: { type: 'number', maximum: 4, exclusiveMaximum: true },
    value: 4,
    errors: ['spec: Invalid value: 4: spec in body should be less than 4'],
  },
  {
    schema: { type: 'integer', multipleOf: 3 },
    value: 4,
    errors: ['spec: Invalid value: 4: spec in body should be a multiple of 3'],
  },
  {
    schema: { type: 'integer', format: 'int32' },
    value: 2 ** 40,
    errors: ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec'],
  },
  { schema: { type: 'string', maxLength: 2 }, value: 'äöü', errors: ['spec: Too long: may not be more than 2 bytes'] },
  { schema: { type: 'string', maxLength: 3 }, value: '😀😀😀', errors: [] },
  {
    schema: { type: 'string', minLength: 1 },
    value: '',
    errors: ['spec: Invalid value: "": spec in body should be at least 1 chars long'],
  },
  {
    schema: { type: 'string', pattern: '^a+$' },
    value: 'b',
    errors: [`spec: Invalid value: "b": spec in body should match '^a+$'`],
  },
  {
    schema: { type: 'string', enum: ['a', 'b'] },
    value: 'c',
    errors: ['spec: Unsupported value: "c": supported values: "a", "b"'],
  },
  {
    schema: listOf({ type: 'string' }, { maxItems: 1 }),
    value: ['a', 1],
    errors: [
      'spec[1]: Invalid value: "integer": spec[1] in body must be of type string: "integer"',
      'spec: Too many: 2: must have at most 1 item',
    ],
  },
  {
    schema: listOf({ type: 'string' }, { minItems: 1 }),
    value: [],
    errors: ['spec: Invalid value: 0: spec in body should have at least 1 items'],
  },
  {
    schema: objectOf({ a: { type: 'string' } }, { required: ['a', 'b'] }),
    value: { a: 1 },
    errors: ['spec.a: Invalid value: "integer": spec.a in body must be of type string: "integer"', 'spec.b: Required value'],
  },
  {
    schema: mapOf({ type: 'integer' }, { maxProperties: 1 }),
    value: { 'a/b': 'x', c: 1 },
    errors: [
      'spec: Too many: 2: must have at most 1 item',
      'spec.a/b: Invalid value: "string": spec.a/b in body must be of type integer: "string"',
    ],
  },
  {
    schema: { type: 'string', anyOf: [{ minLength: 3 }, { pattern: '^x' }] },
    value: 'a',
    errors: [
      '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)',
      'spec: Invalid value: "a": spec in body should be at least 3 chars long',
    ],
  },
  {
    schema: { type: 'integer', oneOf: [{ minimum: 1 }, { minimum: 2 }] },
    value: 3,
    errors: ['<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
  },
  {
    schema: { type: 'integer', allOf: [{ minimum: 5 }, { maximum: 9 }] },
    value: 3,
    errors: [
      'spec: Invalid value: 3: spec in body should be greater than or equal to 5',
      '<nil>: Invalid value: "": "spec" must validate all the schemas (allOf)',
    ],
  },
  {
    schema: { type: 'integer', not: { minimum: 5 } },
    value: 7,
    errors: ['<nil>: Invalid value: "": "spec" must not validate the schema (not)'],
  },
  {
    schema: { 'x-kubernetes-int-or-string': true },
    value: true,
    errors: ['spec: Invalid value: "boolean": spec in body must be of type integer,string: "boolean"'],
  },
  {
    schema: { type: 'string', format: 'date-time' },
    value: 'now',
    errors: ['spec: Invalid value: "now": spec in body must be of type date-time: "now"'],
  },
  { schema: { type: 'string', format: 'unheard-of' }, value: 'now', errors: [] },
];

describe('values', () => {
  for (const { schema, value, errors } of valueCases)
    it(`${JSON.stringify(value)} of ${JSON.stringify(schema)}`, () => assert.deepEqual(errorsOf(schema, value), errors));
});

/** Source of the cases: apiextensions-apiserver `pkg/apiserver/validation/formats_test.go`; kube-openapi `pkg/validation/strfmt`. */
const formatCases: [format: string, good: string[], bad: string[]][] = [
  ['bsonobjectid', ['507f1f77bcf86cd799439011'], ['507f1f77bcf86cd79943901', 'g07f1f77bcf86cd799439011']],
  ['uri', ['http://a.com/b?c', '/a/b', 'urn:x:y'], ['', 'a b', 'a/b', 'http://a b/']],
  ['email', ['a@b.com', 'A B <a@b.com>'], ['a', 'a@', '@b', 'a@b@c']],
  ['hostname', ['a.example.com', '1a.b.org', 'x'], ['-a.com', 'a..com', '_a.com', `${'a'.repeat(64)}.com`]],
  ['ipv4', ['1.2.3.4', '01.2.3.4'], ['1.2.3', '::1', '1.2.3.256']],
  ['ipv6', ['::1', '2001:db8::1'], ['1.2.3.4', ':', '::g']],
  ['cidr', ['10.0.0.0/8', '2001:db8::/32'], ['10.0.0.0', '10.0.0.0/33']],
  ['mac', ['01:02:03:04:05:06', '01-02-03-04-05-06', '0102.0304.0506'], ['01:02:03', '01:02:03:04:05:0g']],
  ['uuid', ['a8098c1a-f86e-11da-bd1a-00112444be1e', 'A8098C1AF86E11DABD1A00112444BE1E'], ['a8098c1a']],
  ['uuid4', ['025b0d74-00a2-4048-bf57-227c5111bb34'], ['025b0d74-00a2-3048-bf57-227c5111bb34']],
  ['isbn', ['0321751043', '978-0321751041'], ['0321751042', '978-0321751042']],
  ['creditcard', ['4111-1111-1111-1111'], ['4111-1111-1111-1112']],
  ['ssn', ['111-11-1111'], ['111-11-111', '111111111']],
  ['hexcolor', ['#FFF', 'a0b1c2'], ['#FF', '#GGG']],
  ['rgbcolor', ['rgb(1, 2,255)'], ['rgb(1,2,256)']],
  ['byte', ['YWJj', 'YWI='], ['', 'YWJ', 'YW-_']],
  ['date', ['2024-02-29'], ['2023-02-29', '2024-2-1', '2024-13-01']],
  ['duration', ['1h30m', '22 ns', '3 days', '0'], ['', '1', 'abc']],
  ['datetime', ['2014-12-15T19:30:20.000Z', '2014-12-15t19:30:20+01:00'], ['2014-12-15', '2014-12-15T24:30:20Z']],
  ['k8s-short-name', ['a-1'], ['A', 'a.b', '-a', 'a'.repeat(64)]],
  ['k8s-long-name', ['a-1.b'], ['A', 'a..b', 'a'.repeat(254)]],
];

describe('formats', () => {
  for (const [format, good, bad] of formatCases)
    it(format, () => {
      for (const text of good) assert.deepEqual(errorsOf({ type: 'string', format }, text), [], text);
      for (const text of bad) assert.equal(errorsOf({ type: 'string', format }, text).length, 1, text);
    });
});

describe('embedded resources', () => {
  const schema: JSONSchemaProps = {
    type: 'object',
    'x-kubernetes-embedded-resource': true,
    'x-kubernetes-preserve-unknown-fields': true,
  };
  it('need a kind, and good metadata', () => {
    assert.deepEqual(errorsOf(schema, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }), []);
    assert.deepEqual(errorsOf(schema, { apiVersion: 'a/b/c' }), [
      'spec.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      'spec.kind: Required value',
    ]);
    assert.deepEqual(errorsOf(schema, { apiVersion: 'v1', kind: 'Pod', metadata: { labels: { a: 1 } } }), [
      'spec.metadata: Invalid value: {"labels":{"a":1}}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string',
    ]);
    assert.deepEqual(errorsOf(schema, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a/b' } }), [
      `spec.metadata.name: Invalid value: "a/b": may not contain '/'`,
    ]);
  });
});

interface RuleCase {
  what: string;
  schema: JSONSchemaProps;
  value: JsonValue;
  old?: JsonValue;
  errors: string[];
}

const integer: JSONSchemaProps = { type: 'integer' };
const text: JSONSchemaProps = { type: 'string' };
const rule = (source: string, more: object = {}): JSONSchemaProps => ({
  'x-kubernetes-validations': [{ rule: source, ...more }],
});

/** Source of the cases: apiextensions-apiserver `pkg/apiserver/schema/cel/validation_test.go`. */
const ruleCases: RuleCase[] = [
  { what: 'holds', schema: objectOf({ a: integer }, rule('self.a == 1')), value: { a: 1 }, errors: [] },
  {
    what: 'fails with itself as message',
    schema: objectOf({ a: integer }, rule(' self.a == 1 ')),
    value: { a: 2 },
    errors: ['spec: Invalid value: failed rule: self.a == 1'],
  },
  {
    what: 'of a scalar shows the value',
    schema: objectOf({ a: { ...integer, ...rule('self < 2', { message: 'too much' }) } }),
    value: { a: 2 },
    errors: ['spec.a: Invalid value: 2: too much'],
  },
  {
    what: 'has a message of an expression',
    schema: objectOf({ a: integer }, rule('self.a == 1', { message: 'x', messageExpression: '"is " + string(self.a)' })),
    value: { a: 2 },
    errors: ['spec: Invalid value: is 2'],
  },
  {
    what: 'falls back on the message when the expression fails',
    schema: objectOf({ a: integer }, rule('self.a == 1', { message: 'x', messageExpression: '[""][self.a]' })),
    value: { a: 2 },
    errors: ['spec: Invalid value: x'],
  },
  {
    what: 'has a reason and a field',
    schema: objectOf(
      { m: mapOf(integer) },
      rule('false', { reason: 'FieldValueForbidden', fieldPath: ".m['a.b']", message: 'no' }),
    ),
    value: { m: {} },
    errors: ['spec.m[a.b]: Forbidden: no'],
  },
  {
    what: 'that duplicates shows no object',
    schema: objectOf({}, rule('false', { reason: 'FieldValueDuplicate' })),
    value: {},
    errors: ['spec: Duplicate value'],
  },
  {
    what: 'that cannot be evaluated says why',
    schema: objectOf({ a: listOf(integer) }, rule('self.a[1] == 1')),
    value: { a: [] },
    errors: ['spec: Invalid value: "object": index out of bounds: 1 evaluating rule: self.a[1] == 1'],
  },
  {
    what: 'about a change is not asked of a new value',
    schema: objectOf({ a: { ...integer, ...rule('self >= oldSelf') } }),
    value: { a: 1 },
    errors: [],
  },
  {
    what: 'about a change is asked of an old value',
    schema: objectOf({ a: { ...integer, ...rule('self >= oldSelf') } }),
    value: { a: 1 },
    old: { a: 2 },
    errors: ['spec.a: Invalid value: 1: failed rule: self >= oldSelf'],
  },
  {
    what: 'finds old items of a list by their key',
    schema: objectOf({
      l: listOf(objectOf({ k: text, v: { ...integer, ...rule('self >= oldSelf') } }), {
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
      }),
    }),
    value: {
      l: [
        { k: 'new', v: 0 },
        { k: 'b', v: 1 },
        { k: 'a', v: 2 },
      ],
    },
    old: {
      l: [
        { k: 'a', v: 1 },
        { k: 'b', v: 2 },
      ],
    },
    errors: ['spec.l[1].v: Invalid value: 1: failed rule: self >= oldSelf'],
  },
  {
    what: 'with an optional old value is asked of new ones, too',
    schema: objectOf({ a: { ...integer, ...rule('oldSelf.hasValue() || self == 0', { optionalOldSelf: true }) } }),
    value: { a: 1 },
    errors: ['spec.a: Invalid value: 1: failed rule: oldSelf.hasValue() || self == 0'],
  },
  {
    what: 'sees durations, dates, bytes and fields with strange names',
    schema: objectOf(
      { d: { ...text, format: 'duration' }, t: { ...text, format: 'date-time' }, b: { ...text, format: 'byte' }, 'a-b': integer },
      rule('self.d > duration("1h") && self.t.getFullYear() == 2024 && self.b == b"abc" && self.a__dash__b == 1'),
    ),
    value: { d: '2h', t: '2024-01-02T03:04:05Z', b: 'YWJj', 'a-b': 1 },
    errors: [],
  },
  {
    what: 'compares sets and maps without regard to order',
    schema: objectOf(
      {
        s: listOf(text, { 'x-kubernetes-list-type': 'set' }),
        m: listOf(objectOf({ k: text, v: integer }), {
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['k'],
        }),
      },
      rule('self.s == ["b", "a"] && self.m == oldSelf.m && (self.s + ["a", "c"]).size() == 3 && (self.m + oldSelf.m) == self.m'),
    ),
    value: {
      s: ['a', 'b'],
      m: [
        { k: 'x', v: 1 },
        { k: 'y', v: 2 },
      ],
    },
    old: {
      s: [],
      m: [
        { k: 'y', v: 2 },
        { k: 'x', v: 1 },
      ],
    },
    errors: [],
  },
  {
    what: 'is not asked of a value without the types that it relies on',
    schema: objectOf({ a: integer }, rule('self.a == 1')),
    value: { a: 'x' },
    errors: ['spec.a: Invalid value: "string": spec.a in body must be of type integer: "string"', unchecked],
  },
  {
    what: 'ends at the limit of one call',
    schema: objectOf({ l: listOf(integer) }, rule('self.l.all(a, self.l.all(b, a == b))', { message: 'm' })),
    value: { l: Array.from({ length: 2_000 }, () => 1) },
    errors: [
      `spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: m`,
    ],
  },
];

describe('a rule', () => {
  for (const { what, schema, value, old, errors } of ruleCases)
    it(what, () => assert.deepEqual(errorsOf(schema, value, old), errors));

  it('of many that together cost too much is not evaluated any more', () => {
    const many = listOf(listOf(integer, rule('self.all(a, self.all(b, a == b))')));
    const value = Array.from({ length: 30 }, () => Array.from({ length: 400 }, () => 1));
    const before = process.cpuUsage().user;
    assert.deepEqual(errorsOf(objectOf({ l: many }), { l: value }), [
      'spec.l[10]: Invalid value: "array": validation failed due to running out of cost budget, no further validation rules will be run',
    ]);
    assert.ok(process.cpuUsage().user - before < 20_000_000);
  });

  it('that takes long is evaluated in steps', () => {
    const many = listOf(listOf(integer, rule('self.all(a, self.all(b, a == b))')));
    const schema = parseStructuralSchema(objectOf({ l: many }));
    const value = { l: Array.from({ length: 30 }, () => Array.from({ length: 400 }, () => 1)) };
    const found = [{ field: 'metadata', reason: 'FieldValueInvalid' as const, message: 'x' }];
    assert.throws(
      () => validateBriefly(value, undefined, schema, { found }),
      (error: unknown) => {
        assert.ok(error instanceof LongValidation);
        assert.deepEqual(
          lines(atOnce(error.steps)).map((line) => line.slice(0, 20)),
          ['metadata: x', 'l[10]: Invalid value'],
        );
        return true;
      },
    );
    assert.deepEqual(validateBriefly({ l: [[1]] }, undefined, schema), []);
  });

  it('sees name and kind of the resource itself, and of embedded ones', () => {
    const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { a: integer } };
    const schema = parseStructuralSchema(
      objectOf(
        { e: { ...embedded, ...rule('self.metadata.name == "inner"') } },
        rule('self.kind == "E" && self.metadata.name == "e" && self.e.kind == "X"'),
      ),
    );
    const value = { apiVersion: 'e.com/v1', kind: 'E', metadata: { name: 'e' } };
    const inner = { apiVersion: 'v1', kind: 'X', metadata: { name: 'inner' } };
    assert.deepEqual(validateCustomResource({ ...value, e: inner }, undefined, schema), []);
    assert.deepEqual(lines(validateCustomResource({ ...value, e: { ...inner, kind: 'Y' } }, undefined, schema)), [
      '<nil>: Invalid value: failed rule: self.kind == "E" && self.metadata.name == "e" && self.e.kind == "X"',
    ]);
  });
});

/** Source of the cases: apiextensions-apiserver `test/integration/ratcheting_test.go`, `pkg/apiserver/validation/ratcheting_test.go`. */
describe('what has not changed', () => {
  const schema = objectOf({
    a: { ...integer, minimum: 5 },
    b: text,
    l: listOf({ ...integer, minimum: 5 }),
    m: listOf(objectOf({ k: text, v: { ...integer, minimum: 5 } }), {
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
    }),
    r: { ...integer, ...rule('self > 5') },
  });

  it('may be as wrong as it was', () => {
    assert.deepEqual(errorsOf(schema, { a: 1, b: 'new' }, { a: 1, b: 'old' }), []);
    assert.deepEqual(errorsOf(schema, { l: [1], b: 'new' }, { l: [1], b: 'old' }), []);
    assert.deepEqual(
      errorsOf(
        schema,
        {
          m: [
            { k: 'b', v: 6 },
            { k: 'a', v: 1 },
          ],
        },
        { m: [{ k: 'a', v: 1 }] },
      ),
      [],
    );
    assert.deepEqual(errorsOf(schema, { r: 1, b: 'new' }, { r: 1, b: 'old' }), []);
  });

  it('is told as a warning when a rule says so', () => {
    const warnings: string[] = [];
    const object = (spec: JsonObject): JsonObject => ({ apiVersion: 'e.com/v1', kind: 'E', metadata: {}, spec });
    const root = parseStructuralSchema(objectOf({ spec: schema }));
    const options = { warn: (warning: string): void => void warnings.push(warning) };
    assert.deepEqual(validateCustomResource(object({ r: 1, b: 'x' }), object({ r: 1 }), root, options), []);
    assert.deepEqual(warnings, ['spec.r: Invalid value: 1: failed rule: self > 5']);
  });

  it('is not what another item of a list was', () => {
    assert.deepEqual(errorsOf(schema, { l: [1, 6] }, { l: [1] }), [
      'spec.l[0]: Invalid value: 1: spec.l[0] in body should be greater than or equal to 5',
    ]);
    assert.deepEqual(errorsOf(schema, { a: 2 }, { a: 1 }), [
      'spec.a: Invalid value: 2: spec.a in body should be greater than or equal to 5',
    ]);
  });

  it('is all but the status when the status is written', () => {
    const root = parseStructuralSchema(objectOf({ spec: schema, status: objectOf({ a: { ...integer, minimum: 5 } }) }));
    const value = { apiVersion: 'e.com/v1', kind: 'E', metadata: {}, spec: { a: 1 }, status: { a: 2 } };
    const old = { ...value, status: { a: 1 } };
    assert.deepEqual(lines(validateCustomResource(value, old, root, { isStatus: true })), [
      'status.a: Invalid value: 2: a in body should be greater than or equal to 5',
    ]);
  });
});
