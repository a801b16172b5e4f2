import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JSONSchemaProps } from '../types.generated.ts';
import { publishedSchema } from './published-schema.ts';
import { listOf, mapOf, objectOf } from './schema.testing.ts';

const descriptions = { apiVersion: 'A', kind: 'K', metadata: 'M' };
const kind = { group: 'e.com', version: 'v1', kind: 'E', descriptions };
const ownKind = [{ group: 'e.com', version: 'v1', kind: 'E' }];

/** What is published of a field. */
function published(schema: JSONSchemaProps, isV2: boolean): unknown {
  const { properties } = publishedSchema(objectOf({ f: schema }), { ...kind, isV2 });
  return (properties as Record<string, unknown>)['f'];
}

const text: JSONSchemaProps = { type: 'string' };

/** Source of the cases: apiextensions-apiserver `pkg/controller/openapi/v2/conversion_test.go`, `pkg/controller/openapi/builder/builder_test.go`. */
const cases: [what: string, schema: JSONSchemaProps, v2: unknown, v3: unknown][] = [
  [
    'a text',
    { ...text, pattern: 'a', default: 'x' },
    { ...text, pattern: 'a', default: 'x' },
    { ...text, pattern: 'a', default: 'x' },
  ],
  ['what may be null', { ...text, nullable: true, minLength: 1 }, { minLength: 1 }, { ...text, nullable: true, minLength: 1 }],
  [
    'junctors',
    { ...text, anyOf: [{ minLength: 1 }], allOf: [{}], oneOf: [{}], not: {} },
    text,
    { ...text, anyOf: [{ minLength: 1 }], allOf: [{}], oneOf: [{}], not: {} },
  ],
  [
    'integers or texts',
    { 'x-kubernetes-int-or-string': true },
    { 'x-kubernetes-int-or-string': true },
    { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
  ],
  [
    'integers or texts with a junctor',
    { 'x-kubernetes-int-or-string': true, anyOf: [{ maxLength: 3 }] },
    { 'x-kubernetes-int-or-string': true },
    {
      'x-kubernetes-int-or-string': true,
      anyOf: [{ maxLength: 3 }],
      allOf: [{ anyOf: [{ type: 'integer' }, { type: 'string' }] }],
    },
  ],
  [
    'unknown fields that are preserved',
    objectOf({ a: text }, { 'x-kubernetes-preserve-unknown-fields': true }),
    { 'x-kubernetes-preserve-unknown-fields': true },
    { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { a: text } },
  ],
  [
    'required fields that may be null',
    objectOf({ a: { ...text, nullable: true }, b: text }, { required: ['a', 'b'] }),
    { type: 'object', required: ['b'], properties: { a: {}, b: text } },
    { type: 'object', required: ['a', 'b'], properties: { a: { ...text, nullable: true }, b: text } },
  ],
  [
    'lists of what may be anything',
    listOf({ 'x-kubernetes-preserve-unknown-fields': true, type: 'object' }),
    { type: 'array', items: { 'x-kubernetes-preserve-unknown-fields': true } },
    { type: 'array', items: { 'x-kubernetes-preserve-unknown-fields': true, type: 'object' } },
  ],
  [
    'maps',
    mapOf({ ...text, nullable: true }, { required: ['a'] }),
    { type: 'object', additionalProperties: {} },
    mapOf({ ...text, nullable: true }, { required: ['a'] }),
  ],
];

describe('published schemas', () => {
  for (const [what, schema, v2, v3] of cases)
    it(`of ${what}`, () => {
      assert.deepEqual(published(schema, true), v2);
      assert.deepEqual(published(schema, false), v3);
    });

  it('have what every resource has', () => {
    assert.deepEqual(publishedSchema(objectOf({ spec: text }), { ...kind, isV2: false, selectableFields: ['spec'] }), {
      type: 'object',
      properties: {
        spec: text,
        apiVersion: { type: 'string', description: 'A' },
        kind: { type: 'string', description: 'K' },
        metadata: {
          allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }],
          description: 'M',
        },
      },
      'x-kubernetes-group-version-kind': ownKind,
      'x-kubernetes-selectable-fields': [{ fieldPath: 'spec' }],
    });
    assert.deepEqual(publishedSchema(undefined, { ...kind, isV2: false }), {
      type: 'object',
      'x-kubernetes-group-version-kind': ownKind,
    });
    const open = objectOf({ spec: text }, { 'x-kubernetes-preserve-unknown-fields': true });
    assert.deepEqual(publishedSchema(open, { ...kind, isV2: true }), {
      type: 'object',
      'x-kubernetes-group-version-kind': ownKind,
    });
  });

  it('have it of embedded resources, too', () => {
    const embedded = objectOf({ spec: text }, { 'x-kubernetes-embedded-resource': true, required: ['kind'] });
    const made = published(embedded, true) as Record<string, Record<string, unknown>>;
    assert.deepEqual(made['required'], ['kind', 'apiVersion']);
    assert.deepEqual(Object.keys(made['properties'] ?? {}), ['spec', 'apiVersion', 'kind', 'metadata']);
  });
});
