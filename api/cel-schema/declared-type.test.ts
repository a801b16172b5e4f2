import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CelEnvironment } from '../cel/environment.ts';
import { CelCompileError } from '../cel/source.ts';
import { parseStructuralSchema } from '../structural-schema/structural-schema.ts';
import type { JSONSchemaProps } from '../types.generated.ts';
import { type DeclaredType, declaredType, maxCardinality, maxRequestBytes, sizeEstimator } from './declared-type.ts';
import { escapeName } from './escaping.ts';
import { factsNode } from './facts-node.ts';

const typeOf = (schema: JSONSchemaProps): DeclaredType | undefined => declaredType(parseStructuralSchema(schema), false);

/** Source of the cases: apiserver `pkg/cel/escaping_test.go`. */
const names: [name: string, escaped: string | undefined][] = [
  ['namespace', '__namespace__'],
  ['fn', 'fn'],
  ['a-b.c/d', 'a__dash__b__dot__c__slash__d'],
  ['__a', '__underscores__a'],
  ['a___b', 'a__underscores___b'],
  ['_a_', '_a_'],
  ['0a', undefined],
  ['', undefined],
  ['a b', undefined],
  ['ä', undefined],
];

describe('names of fields', () => {
  for (const [name, escaped] of names) it(`${name} is ${escaped}`, () => assert.equal(escapeName(name), escaped));
});

interface SizeCase {
  schema: JSONSchemaProps;
  maxElements: number;
  minBytes: number;
}

/** Source of the numbers: apiextensions-apiserver `pkg/apiserver/schema/cel/model/schemas_test.go`. */
const sizes: SizeCase[] = [
  { schema: { type: 'string' }, maxElements: maxRequestBytes - 2, minBytes: 2 },
  { schema: { type: 'string', maxLength: 20 }, maxElements: 80, minBytes: 2 },
  { schema: { type: 'string', enum: ['a', 'longest'] }, maxElements: 7, minBytes: 2 },
  { schema: { type: 'string', format: 'byte', maxLength: 20 }, maxElements: 20, minBytes: 2 },
  { schema: { type: 'string', format: 'duration' }, maxElements: 32, minBytes: 3 },
  { schema: { type: 'string', format: 'date' }, maxElements: 12, minBytes: 12 },
  { schema: { type: 'string', format: 'date-time' }, maxElements: 32, minBytes: 21 },
  { schema: { type: 'array', items: { type: 'string' } }, maxElements: Math.floor((maxRequestBytes - 2) / 3), minBytes: 2 },
  { schema: { type: 'array', items: { type: 'string' }, maxItems: 5 }, maxElements: 5, minBytes: 2 },
  {
    schema: { type: 'object', additionalProperties: { type: 'integer' } },
    maxElements: Math.floor((maxRequestBytes - 2) / 7),
    minBytes: 2,
  },
  {
    schema: {
      type: 'object',
      properties: { abc: { type: 'string' }, d: { type: 'string', default: 'x' } },
      required: ['abc', 'd'],
    },
    maxElements: 0,
    minBytes: 11,
  },
  { schema: { 'x-kubernetes-int-or-string': true, maxLength: 3 }, maxElements: 12, minBytes: 1 },
];

describe('sizes of values', () => {
  for (const { schema, maxElements, minBytes } of sizes)
    it(`of ${JSON.stringify(schema)}`, () => {
      const type = typeOf(schema);
      assert.deepEqual([type?.maxElements, type?.minBytes], [maxElements, minBytes]);
    });

  it('are found by their path', () => {
    const type = typeOf({
      type: 'object',
      properties: {
        m: { type: 'object', additionalProperties: { type: 'array', maxItems: 7, items: { type: 'string', maxLength: 1 } } },
      },
    });
    const estimate = sizeEstimator(type as DeclaredType);
    const string = { kind: 'string', name: 'string', params: [] } as const;
    assert.deepEqual(estimate(['self', 'm', '@values'], string), { min: 0, max: 7 });
    assert.deepEqual(estimate(['oldSelf', 'm', '@values', '@items'], string), { min: 0, max: 4 });
    assert.equal(estimate(['self', 'x'], string), undefined);
    assert.equal(estimate([], string), undefined);
  });

  it('say how often a value can be in a request', () => assert.equal(maxCardinality(2), 1_048_576));
});

describe('types of values', () => {
  it('are none where the schema says none', () => {
    assert.equal(typeOf({ 'x-kubernetes-preserve-unknown-fields': true }), undefined);
    assert.equal(typeOf({ type: 'array', items: { 'x-kubernetes-preserve-unknown-fields': true } }), undefined);
  });

  it('of the API are those of its schema', () => {
    const { type } = declaredType(factsNode('apps/v1.Deployment'), true, 'apps.v1.Deployment') as DeclaredType;
    const environment = new CelEnvironment({ variables: { object: type } });
    const compile = (source: string): unknown => environment.compile(source);
    compile('object.spec.replicas > 1 && object.metadata.labels["a"] == "b" && object.kind == "Deployment"');
    compile('object.spec.template.spec.containers.all(c, c.image.startsWith("x") && c.resources.limits["cpu"] != "")');
    compile('object.spec.strategy.rollingUpdate.maxSurge == 1 || object.spec.strategy.rollingUpdate.maxSurge == "10%"');
    assert.throws(() => compile('object.spec.replicas > "1"'), CelCompileError);
    assert.throws(() => compile('object.spec.replicaz > 1'), /undefined field 'replicaz'/);
    assert.throws(() => compile('object.spec.all(x, true)'), /expression of type 'apps.v1.Deployment.spec' cannot be range/);
  });

  it('of the API may contain themselves', () => {
    const { type } = declaredType(factsNode('apiextensions/v1.CustomResourceDefinition'), true) as DeclaredType;
    const environment = new CelEnvironment({ variables: { object: type } });
    environment.compile('object.spec.versions.all(v, v.schema.openAPIV3Schema.properties["a"].properties["b"].type == "object")');
  });
});
