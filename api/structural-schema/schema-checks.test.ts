import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { JSONSchemaProps } from '../types.generated.ts';
import { anySchema, listOf, mapOf, objectOf } from './schema.testing.ts';
import { type SchemaCheckOptions, validateCustomResourceSchema } from './schema-checks.ts';

/** The errors of a schema whose `spec` is given, with short paths: `[spec]` stands for `properties[spec]`. */
function errorsOf(spec: JSONSchemaProps, options: SchemaCheckOptions = {}): string[] {
  return rootErrors(objectOf({ spec }), options);
}

function rootErrors(schema: JSONSchemaProps, options: SchemaCheckOptions = {}): string[] {
  return validateCustomResourceSchema(schema, 'schema', options).map(
    ({ field, message }) => `${field.replaceAll('.properties[', '[').replace(/^schema/, '')}: ${message}`,
  );
}

interface Case {
  what: string;
  spec: JSONSchemaProps;
  errors: string[];
}

const text: JSONSchemaProps = { type: 'string' };
const integer: JSONSchemaProps = { type: 'integer' };
const rule = (source: string, more: object = {}): JSONSchemaProps => ({
  'x-kubernetes-validations': [{ rule: source, ...more }],
});
const listMap = (...keys: string[]): JSONSchemaProps => ({
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': keys,
});
const sizes =
  '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';

/** Source of the cases: apiextensions-apiserver `pkg/apiserver/schema/validation_test.go`, `pkg/apis/apiextensions/validation/validation_test.go`. */
const cases: Case[] = [
  { what: 'good', spec: objectOf({ a: text, b: listOf(integer) }), errors: [] },
  { what: 'without a type', spec: {}, errors: ['[spec].type: Required value: must not be empty for specified object fields'] },
  {
    what: 'with items without a type',
    spec: listOf({}),
    errors: ['[spec].items.type: Required value: must not be empty for specified array items'],
  },
  { what: 'without items', spec: { type: 'array' }, errors: ['[spec].items: Required value: must be specified'] },
  {
    what: 'whose junctor has types',
    spec: { type: 'string', anyOf: [{ type: 'string' }] },
    errors: ['[spec].anyOf[0].type: Forbidden: must be empty to be structural'],
  },
  { what: 'of integers or texts', spec: { 'x-kubernetes-int-or-string': true, anyOf: [integer, text] }, errors: [] },
  {
    what: 'of integers or texts in allOf',
    spec: { 'x-kubernetes-int-or-string': true, allOf: [{ anyOf: [integer, text] }, { pattern: 'a' }] },
    errors: [],
  },
  {
    what: 'of integers or texts in the wrong order',
    spec: { 'x-kubernetes-int-or-string': true, anyOf: [text, integer] },
    errors: [
      '[spec].anyOf[0].type: Forbidden: must be empty to be structural',
      '[spec].anyOf[1].type: Forbidden: must be empty to be structural',
    ],
  },
  {
    what: 'with an embedded resource that says nothing',
    spec: { type: 'object', 'x-kubernetes-embedded-resource': true },
    errors: [
      '[spec].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
    ],
  },
  {
    what: 'with a pattern that is none',
    spec: { ...text, pattern: '[a' },
    errors: [
      '[spec].pattern: Invalid value: "[a": must be a valid regular expression, but isn\'t: error parsing regexp: missing closing ]: `[a`',
    ],
  },
  {
    what: 'with unique items',
    spec: listOf(text, { uniqueItems: true }),
    errors: ['[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic'],
  },
  {
    what: 'with fields and values of a map',
    spec: mapOf(text, { properties: { a: text } }),
    errors: ['[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive'],
  },
  { what: 'with a reference', spec: { ...text, $ref: '#/a' }, errors: ['[spec].$ref: Forbidden: $ref is not supported'] },
  {
    what: 'of an unknown type',
    spec: { type: 'date' },
    errors: [
      '[spec].type: Unsupported value: "date": supported values: "array", "boolean", "integer", "number", "object", "string"',
    ],
  },
  {
    what: 'that preserves unknown fields or not',
    spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': false },
    errors: ['[spec].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined'],
  },
  {
    what: 'with a default that is no value of it',
    spec: { ...text, default: 1 },
    errors: ['[spec].default: Invalid value: "integer":  in body must be of type string: "integer"'],
  },
  {
    what: 'with a default that has unknown fields',
    spec: objectOf({ a: text }, { default: { a: 'x', b: 'y' } }),
    errors: ['[spec].default: Invalid value: {"a":"x","b":"y"}: must not have unknown fields'],
  },
  {
    what: 'with a default that a rule refuses',
    spec: { ...integer, default: 1, ...rule('self > 1') },
    errors: ['[spec].default: Invalid value: 1: failed rule: self > 1'],
  },
  {
    what: 'with a list map whose key may be absent',
    spec: listOf(objectOf({ k: text }), listMap('k')),
    errors: [
      '[spec].items[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
    ],
  },
  {
    what: 'with a list map whose key is required',
    spec: listOf(objectOf({ k: text }, { required: ['k'] }), listMap('k')),
    errors: [],
  },
  {
    what: 'with a list map whose key has a default',
    spec: listOf(objectOf({ k: { ...text, default: 'a' } }), listMap('k')),
    errors: [],
  },
  {
    what: 'with a list map without keys',
    spec: listOf(objectOf({}), { 'x-kubernetes-list-type': 'map' }),
    errors: ['[spec].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map'],
  },
  {
    what: 'with a list map whose key is a list, or not there, or twice',
    spec: listOf(objectOf({ k: listOf(text) }, { required: ['k'] }), listMap('k', 'x', 'k')),
    errors: [
      '[spec].items[k].type: Invalid value: "object": must be a scalar type if parent array\'s x-kubernetes-list-type is map',
      '[spec].x-kubernetes-list-map-keys: Invalid value: ["k","x","k"]: entries must all be names of item properties',
      '[spec].items[k].type: Invalid value: "object": must be a scalar type if parent array\'s x-kubernetes-list-type is map',
      '[spec].x-kubernetes-list-map-keys: Invalid value: ["k","x","k"]: must not contain duplicate entries',
    ],
  },
  {
    what: 'with a set of objects that are not atomic',
    spec: listOf(objectOf({}), { 'x-kubernetes-list-type': 'set' }),
    errors: [
      '[spec].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set',
    ],
  },
  {
    what: 'with a list type that is none',
    spec: listOf(text, { 'x-kubernetes-list-type': 'bag' }),
    errors: ['[spec].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"'],
  },
  { what: 'with a rule', spec: objectOf({ a: integer }, rule('self.a > 1', { message: 'm' })), errors: [] },
  {
    what: 'with a rule about fields that are not there',
    spec: objectOf({ a: integer }, rule('self.b > 1')),
    errors: [
      '[spec].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self.b \\u003e 1","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:5: undefined field \'b\'\n | self.b > 1\n | ....^',
    ],
  },
  {
    what: 'with a rule that is no condition',
    spec: objectOf({ a: integer }, rule('self.a')),
    errors: [
      '[spec].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self.a","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: cel expression must evaluate to a bool',
    ],
  },
  {
    what: 'with an empty rule',
    spec: objectOf({}, rule(' ')),
    errors: ['[spec].x-kubernetes-validations[0].rule: Required value: rule is not specified'],
  },
  {
    what: 'with a rule whose reason and field are none',
    spec: objectOf({}, rule('true', { reason: 'x', fieldPath: '.a' })),
    errors: [
      '[spec].x-kubernetes-validations[0].reason: Unsupported value: "x": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"',
      '[spec].x-kubernetes-validations[0].fieldPath: Invalid value: ".a": must be a valid path',
    ],
  },
  {
    what: 'with a rule of two lines and no message',
    spec: objectOf({}, rule('true &&\ntrue')),
    errors: [
      '[spec].x-kubernetes-validations[0].message: Required value: message must be specified if rule contains line breaks',
    ],
  },
  {
    what: 'with a message that is no text',
    spec: objectOf({}, rule('true', { messageExpression: '1' })),
    errors: [
      '[spec].x-kubernetes-validations[0].messageExpression: Invalid value: {"Rule":"true","Message":"","MessageExpression":"1","Reason":null,"FieldPath":"","OptionalOldSelf":null}: messageExpression must evaluate to a string',
    ],
  },
  {
    what: 'with a rule about a change where nobody knows the old value',
    spec: listOf({ ...integer, ...rule('self > oldSelf') }),
    errors: [
      '[spec].items.x-kubernetes-validations[0].rule: Invalid value: "self > oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within schema.properties[spec]',
    ],
  },
  {
    what: 'with an optional old value that is not used',
    spec: { ...integer, ...rule('self > 1', { optionalOldSelf: true }) },
    errors: [
      '[spec].x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule',
    ],
  },
  {
    what: 'with a rule that can cost too much',
    spec: listOf(text, rule('self.all(a, self.all(b, a == b))')),
    errors: [
      `[spec].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x ${sizes}`,
      '[spec].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
      `: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x ${sizes}`,
    ],
  },
  {
    what: 'with the same rule where sizes are limited',
    spec: listOf({ ...text, maxLength: 10 }, { maxItems: 20, ...rule('self.all(a, self.all(b, a == b))') }),
    errors: [],
  },
  {
    what: 'with a rule of a field without a type',
    spec: { type: 'object', properties: { a: { 'x-kubernetes-preserve-unknown-fields': true, ...rule('true') } } },
    errors: [
      '[spec][a].x-kubernetes-validations: Internal error: internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations',
    ],
  },
];

describe('a schema', () => {
  for (const { what, spec, errors } of cases) it(what, () => assert.deepEqual(errorsOf(spec), errors));

  it('says of its root what a resource can be', () => {
    assert.deepEqual(rootErrors({ type: 'array', items: { type: 'string' }, nullable: true }), [
      '.nullable: Forbidden: nullable cannot be true at the root',
      '.type: Invalid value: "array": must be object at the root',
    ]);
    assert.deepEqual(rootErrors(objectOf({ metadata: objectOf({ labels: { type: 'object' } }) })), [
      '[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified',
    ]);
    assert.deepEqual(rootErrors(objectOf({ metadata: objectOf({ name: { type: 'string', maxLength: 3 } }) })), []);
    assert.deepEqual(rootErrors(objectOf({ kind: { type: 'string', default: 'x' } })), [
      '[kind].default: Forbidden: must not be set in top-level kind',
    ]);
  });

  it('declares all that the junctors of its root check', () => {
    const schema = objectOf({}, { allOf: [{ properties: { a: { minLength: 1 } } }], not: { items: {} } });
    assert.deepEqual(rootErrors(schema), [
      '.items: Required value: because it is defined in schema.not.items',
      '[a]: Required value: because it is defined in schema.allOf[0].properties[a]',
    ]);
  });

  it('has a root that does not concern the status, when that is apart', () => {
    const [error = ''] = rootErrors({ type: 'object', maxProperties: 3 }, { hasStatus: true });
    assert.match(error, /only \[Description Type .* XValidations\] fields are allowed at the root of the schema/);
    assert.deepEqual(rootErrors({ type: 'object', description: 'x', required: ['a'] }, { hasStatus: true }), []);
  });

  it('may be what it was', () => {
    const spec = listOf(objectOf({ k: { type: 'string' } }), { 'x-kubernetes-list-type': 'set' });
    assert.equal(errorsOf(spec, { requireAtomicSets: false }).length, 0);
    const keyed = listOf(objectOf({ k: { type: 'string' } }), {
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
    });
    assert.equal(errorsOf(keyed, { requireMapKeys: false }).length, 0);
    assert.equal(errorsOf(objectOf({}, { default: { a: 1 } }), { requirePrunedDefaults: false }).length, 0);
  });

  it('of any kind is checked', () => {
    fc.assert(
      fc.property(anySchema, (schema) => {
        validateCustomResourceSchema(objectOf({ spec: schema }), 'schema');
      }),
    );
  });
});
