import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { copyJson } from '../copy-json.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { JSONSchemaProps } from '../types.generated.ts';
import { applyDefaults, dropNulls } from './defaulting.ts';
import { validateListTypes } from './list-types.ts';
import { pruneUnknownFields } from './pruning.ts';
import { anySchema, listOf, mapOf, objectOf as object, valueOf } from './schema.testing.ts';
import { parseStructuralSchema } from './structural-schema.ts';

const string: JSONSchemaProps = { type: 'string' };
const preserve: JSONSchemaProps = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

interface PruneCase {
  what: string;
  value: JsonObject;
  schema: JSONSchemaProps;
  isResourceRoot?: boolean;
  pruned: JsonObject;
  dropped: string[];
}

/** Source of the cases: apiextensions-apiserver `pkg/apiserver/schema/pruning/algorithm_test.go`. */
const pruneCases: PruneCase[] = [
  { what: 'everything where nothing is declared', value: { a: 1, b: [1] }, schema: {}, pruned: {}, dropped: ['a', 'b'] },
  {
    what: 'fields at every depth',
    value: { a: { b: 1, c: 2 }, d: [{ e: 1, f: 2 }], g: 1 },
    schema: object({ a: object({ b: {} }), d: listOf(object({ e: {} })) }),
    pruned: { a: { b: 1 }, d: [{ e: 1 }] },
    dropped: ['a.c', 'd[0].f', 'g'],
  },
  {
    what: 'nothing that is preserved, but fields below declared ones',
    value: { x: { y: { z: 1 } }, a: { b: 1, c: 1 } },
    schema: object({ a: object({ b: {} }) }, { 'x-kubernetes-preserve-unknown-fields': true }),
    pruned: { x: { y: { z: 1 } }, a: { b: 1 } },
    dropped: ['a.c'],
  },
  {
    what: 'values of maps by their schema',
    value: { m: { one: { a: 1, b: 1 } }, n: { x: { y: 1 } } },
    schema: object({
      m: mapOf(object({ a: {} })),
      n: { type: 'object', additionalProperties: true },
    }),
    pruned: { m: { one: { a: 1 } }, n: { x: {} } },
    dropped: ['m.one.b', 'n.x.y'],
  },
  {
    what: 'not what names a resource',
    value: { apiVersion: 'v1', kind: 'A', metadata: { name: 'x', unknown: 1 }, a: 1 },
    schema: {},
    isResourceRoot: true,
    pruned: { apiVersion: 'v1', kind: 'A', metadata: { name: 'x', unknown: 1 } },
    dropped: ['a'],
  },
  {
    what: 'not what names an embedded resource',
    value: { e: { apiVersion: 'v1', kind: 'A', metadata: { x: 1 }, spec: { a: 1, b: 1 } }, f: { kind: 'A' } },
    schema: object({ e: object({ spec: object({ a: {} }) }, { 'x-kubernetes-embedded-resource': true }), f: object({}) }),
    pruned: { e: { apiVersion: 'v1', kind: 'A', metadata: { x: 1 }, spec: { a: 1 } }, f: {} },
    dropped: ['e.spec.b', 'f.kind'],
  },
  {
    what: 'fields with the names of what every JavaScript object has',
    value: JSON.parse('{"constructor": 1, "__proto__": {"a": 1}, "toString": 1, "a": 1}') as JsonObject,
    schema: object({ a: {} }),
    pruned: { a: 1 },
    dropped: ['__proto__', 'constructor', 'toString'],
  },
];

describe('pruning drops', () => {
  for (const { what, value, schema, isResourceRoot = false, pruned, dropped } of pruneCases)
    it(what, () => {
      const object = copyJson(value);
      assert.deepEqual(pruneUnknownFields(object, parseStructuralSchema(schema), { isResourceRoot }), dropped);
      assert.deepEqual(object, pruned);
    });
});

interface DefaultCase {
  what: string;
  value: JsonObject;
  schema: JSONSchemaProps;
  defaulted: JsonObject;
}

/** Source of the cases: apiextensions-apiserver `pkg/apiserver/schema/defaulting/{algorithm,prunenulls}_test.go`. */
const defaultCases: DefaultCase[] = [
  {
    what: 'absent fields, at every depth that there is',
    value: { there: {}, list: [{}, { a: 'x' }], map: { one: {} } },
    schema: object({
      there: object({ a: { ...string, default: 'A' } }),
      absent: object({ a: { ...string, default: 'A' } }),
      list: listOf(object({ a: { ...string, default: 'B' } })),
      map: mapOf(object({ a: { ...string, default: 'C' } })),
    }),
    defaulted: { there: { a: 'A' }, list: [{ a: 'B' }, { a: 'x' }], map: { one: { a: 'C' } } },
  },
  {
    what: 'within a default',
    value: {},
    schema: object({ a: object({ b: { ...string, default: 'B' } }, { default: {} }) }),
    defaulted: { a: { b: 'B' } },
  },
  {
    what: 'nulls that may not be',
    value: { a: null, b: null, list: [null], map: { x: null } },
    schema: object({
      a: { ...string, default: 'A' },
      b: { ...string, default: 'B', nullable: true },
      list: listOf({ ...string, default: 'C' }),
      map: mapOf({ ...string, default: 'D' }),
    }),
    defaulted: { a: 'A', b: null, list: ['C'], map: { x: 'D' } },
  },
  {
    what: 'no nulls that may not be and have no default: they go',
    value: { a: null, b: null, c: { d: null }, m: { x: null, y: null }, unknown: null },
    schema: object({
      a: string,
      b: { ...string, nullable: true },
      c: object({ d: string }),
      m: mapOf(string),
    }),
    defaulted: { b: null, c: {}, m: {}, unknown: null },
  },
];

describe('defaults fill in', () => {
  for (const { what, value, schema, defaulted } of defaultCases)
    it(what, () => {
      const object = copyJson(value);
      dropNulls(object, parseStructuralSchema(schema));
      applyDefaults(object, parseStructuralSchema(schema));
      assert.deepEqual(object, defaulted);
    });
});

interface ListCase {
  what: string;
  items: JsonValue[];
  schema: JSONSchemaProps;
  errors: string[];
}

const set: JSONSchemaProps = { type: 'array', 'x-kubernetes-list-type': 'set' };
const map = (...keys: string[]): JSONSchemaProps => ({
  type: 'array',
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': keys,
});

/** Source of the cases: apiextensions-apiserver `pkg/apiserver/schema/listtype/validation_test.go`. */
const listCases: ListCase[] = [
  { what: 'a set of different items', items: ['a', 'b', 1, '1', null, true, [1], { a: 1 }], schema: set, errors: [] },
  { what: 'a set with one item twice', items: ['a', 'b', 'a', 'a'], schema: set, errors: ['l[2]: Duplicate value: "a"'] },
  {
    what: 'a set with objects, whatever the order of their fields',
    items: [
      { a: 1, b: [{ c: 1 }] },
      { b: [{ c: 1 }], a: 1 },
    ],
    schema: set,
    errors: ['l[1]: Duplicate value: {"b":[{"c":1}],"a":1}'],
  },
  { what: 'a list that is no set', items: ['a', 'a'], schema: { type: 'array' }, errors: [] },
  {
    what: 'a map with one key',
    items: [{ k: 'a' }, { k: 'b' }, { k: 'a', v: 1 }],
    schema: map('k'),
    errors: ['l[2]: Duplicate value: {"k":"a"}'],
  },
  { what: 'a map whose key is absent twice', items: [{}, null], schema: map('k'), errors: ['l[1]: Duplicate value: {}'] },
  {
    what: 'a map with several keys',
    items: [
      { a: 1, b: 2 },
      { a: 1, b: 3 },
      { b: 2, a: 1, c: 0 },
    ],
    schema: map('a', 'b'),
    errors: ['l[2]: Duplicate value: {"a":1,"b":2}'],
  },
  {
    what: 'a map of texts',
    items: [{ k: 1 }, 'a'],
    schema: map('k'),
    errors: ['l[1]: Invalid value: "a": must be an object for an array of list-type map'],
  },
];

describe('list types', () => {
  for (const { what, items, schema, errors } of listCases)
    it(what, () => {
      const found = validateListTypes({ l: items }, parseStructuralSchema(object({ l: schema })));
      assert.deepEqual(
        found.map(({ field, message }) => `${field}: ${message}`),
        errors,
      );
    });
});

describe('of any schema and value', () => {
  const inputs = anySchema.chain((schema) => fc.tuple(fc.constant(schema), valueOf(schema)));
  const pruned = (value: JsonValue, schema: JSONSchemaProps): JsonValue => {
    const copy = copyJson(value);
    pruneUnknownFields(copy, parseStructuralSchema(schema));
    return copy;
  };
  const defaulted = (value: JsonValue, schema: JSONSchemaProps): JsonValue => {
    const copy = copyJson(value);
    dropNulls(copy, parseStructuralSchema(schema));
    applyDefaults(copy, parseStructuralSchema(schema));
    return copy;
  };

  it('pruning again drops nothing', () => {
    fc.assert(
      fc.property(inputs, ([schema, value]) => {
        const once = pruned(value, schema);
        assert.deepEqual(pruneUnknownFields(copyJson(once), parseStructuralSchema(schema)), []);
      }),
    );
  });

  it('defaulting again changes nothing', () => {
    fc.assert(
      fc.property(inputs, ([schema, value]) => {
        const once = defaulted(value, schema);
        assert.deepEqual(defaulted(once, schema), once);
      }),
    );
  });

  it('defaults that are pruned themselves are the same before and after pruning', () => {
    fc.assert(
      fc.property(inputs, ([schema, value]) => {
        assert.deepEqual(pruned(defaulted(value, schema), schema), defaulted(pruned(value, schema), schema));
      }),
    );
  });
});

describe('deep and large values', () => {
  it('are pruned, defaulted and checked in bounded time', () => {
    let deep: JSONSchemaProps = preserve;
    let value: JsonObject = { end: 1 };
    for (let depth = 0; depth < 450; depth++) {
      deep = object({ a: deep, b: { ...string, default: 'x' } });
      value = { a: value };
    }
    const items = Array.from({ length: 100_000 }, (_, index) => ({ k: index }));
    const schema = object({ deep, list: listOf(object({ k: { type: 'integer' } }), map('k')) });
    const before = process.cpuUsage().user;
    const all: JsonObject = { deep: value, list: items };
    pruneUnknownFields(all, parseStructuralSchema(schema));
    applyDefaults(all, parseStructuralSchema(schema));
    assert.deepEqual(validateListTypes(all, parseStructuralSchema(schema)), []);
    assert.ok(process.cpuUsage().user - before < 3_000_000);
  });
});
