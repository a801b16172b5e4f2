/** Definitions and custom resources that are valid or nearly so, and far larger, deeper or stranger than any that people write. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Answer, type ApiServerProcess, startApiServerProcess } from './api-server.ts';

type Json = Record<string, unknown>;

/** The longest time for which the event loop may stand still, in CPU time: ten times what it takes. */
const budgetMs = 3000;
const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const json = { 'content-type': 'application/json' };

const definition = (name: string, schema: Json, version: Json = {}, spec: Json = {}): Json => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${name}s.hostile.example.com` },
  spec: {
    group: 'hostile.example.com',
    scope: 'Namespaced',
    names: { plural: `${name}s`, kind: `K${name}` },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...version }],
    ...spec,
  },
});
const object = (spec: Json): Json => ({ type: 'object', properties: { spec } });
const deep = (depth: number): Json => (depth === 0 ? { type: 'string' } : { type: 'object', properties: { a: deep(depth - 1) } });
const nested = (depth: number): unknown => (depth === 0 ? 'x' : { a: nested(depth - 1) });
const wide = (count: number): Json => ({
  type: 'object',
  properties: Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`field${index}`, { type: 'string', description: 'A field.' }]),
  ),
});
/** 5^6 leaves from defaults in defaults, none of which is large. */
const defaults = (depth: number): Json =>
  depth === 0
    ? { type: 'string', default: 'x' }
    : {
        type: 'object',
        default: {},
        properties: Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, defaults(depth - 1)])),
      };

const samples: { name: string; made: Json; spec?: unknown }[] = [
  {
    name: 'wide',
    made: definition('wide', object(wide(5000))),
    spec: Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`field${index}`, 'x'])),
  },
  { name: 'deep', made: definition('deep', object(deep(60))), spec: nested(60) },
  { name: 'deeper', made: definition('deeper', object(deep(900))), spec: nested(900) },
  {
    name: 'described',
    made: definition('described', { ...object({ type: 'string' }), description: 'x'.repeat(900_000) }),
    spec: 'x',
  },
  { name: 'default', made: definition('default', object(defaults(6))), spec: {} },
  {
    name: 'enum',
    made: definition('enum', object({ type: 'string', enum: Array.from({ length: 10_000 }, (_, index) => `value-${index}`) })),
    spec: 'value-9999',
  },
  {
    name: 'pattern',
    made: definition('pattern', object({ type: 'string', pattern: '^(a+)+$' })),
    spec: `${'a'.repeat(50_000)}!`,
  },
  {
    name: 'any',
    made: definition('any', object({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true })),
    spec: Object.fromEntries(Array.from({ length: 15_000 }, (_, index) => [`k${index}`, [index]])),
  },
  {
    name: 'junctor',
    made: definition(
      'junctor',
      object({ type: 'string', anyOf: Array.from({ length: 2000 }, (_, index) => ({ pattern: `^x${index}$` })) }),
    ),
    spec: 'y',
  },
  {
    name: 'column',
    made: definition('column', object({ type: 'string' }), {
      additionalPrinterColumns: Array.from({ length: 2000 }, (_, index) => ({
        name: `c${index}`,
        type: 'string',
        jsonPath: `.spec.a[?(@.b=="${index}")].c`,
      })),
    }),
    spec: 'x',
  },
  {
    name: 'version',
    made: definition(
      'version',
      {},
      {},
      {
        versions: Array.from({ length: 200 }, (_, index) => ({
          name: `v${index + 1}`,
          served: true,
          storage: index === 0,
          schema: { openAPIV3Schema: object({ type: 'string' }) },
        })),
      },
    ),
    spec: 'x',
  },
  {
    name: 'rule',
    made: definition(
      'rule',
      object({
        type: 'array',
        maxItems: 1000,
        items: { type: 'string', maxLength: 100 },
        'x-kubernetes-validations': [{ rule: 'self.all(x, self.all(y, self.exists(z, z == x + y)))' }],
      }),
    ),
    spec: Array.from({ length: 1000 }, () => 'x'.repeat(100)),
  },
  { name: 'reference', made: definition('reference', { type: 'object', properties: { spec: { $ref: '#/properties/spec' } } }) },
  {
    name: 'prototype',
    made: definition(
      'prototype',
      object({
        type: 'object',
        properties: JSON.parse(
          '{"__proto__":{"type":"string"},"constructor":{"type":"object","properties":{"prototype":{"type":"string"}}}}',
        ) as Json,
      }),
    ),
    spec: JSON.parse('{"__proto__":"x","constructor":{"prototype":"y"}}'),
  },
  {
    name: 'webhook',
    made: definition(
      'webhook',
      object({ type: 'string' }),
      {},
      {
        conversion: {
          strategy: 'Webhook',
          webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://127.0.0.1:1/convert' } },
        },
      },
    ),
    spec: 'x',
  },
];

/** After a body that is too large the server closes the connection, which may happen just when the next request takes it: as browsers do, that one is sent again. */
async function callOf(server: ApiServerProcess, ...request: Parameters<ApiServerProcess['call']>): Promise<Answer> {
  try {
    return await server.call(...request);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    return await server.call(...request);
  }
}

describe('hostile definitions of custom resources', { timeout: 120_000 }, () => {
  let server: ApiServerProcess;
  before(async () => {
    server = await startApiServerProcess();
  });
  after(() => server.stop());

  for (const { name, made, spec } of samples)
    it(`one that is ${name} is answered, its objects too, and others are served meanwhile`, async () => {
      await server.report(true);
      const defined = await callOf(server, 'POST', path, JSON.stringify(made), json);
      assert.ok([201, 400, 413, 422].includes(defined.status), `${defined.status} ${defined.text.slice(0, 300)}`);
      const { plural, kind } = ((made['spec'] as Json)['names'] ?? {}) as { plural: string; kind: string };
      const objects = `/apis/hostile.example.com/v1/namespaces/default/${plural}`;
      if (defined.status === 201) {
        let status = 404;
        for (let tries = 0; tries < 200 && status === 404; tries++) status = (await callOf(server, 'GET', objects)).status;
        assert.equal(status, 200);
        const body = JSON.stringify({ apiVersion: 'hostile.example.com/v1', kind, metadata: { name: 'a' }, spec });
        const created = await callOf(server, 'POST', objects, body, json);
        assert.ok([201, 400, 413, 422, 500].includes(created.status), `${created.status} ${created.text.slice(0, 300)}`);
        const apply = { 'content-type': 'application/apply-patch+yaml' };
        const applied = await callOf(
          server,
          'PATCH',
          `${objects}/b?fieldManager=x`,
          body.replace('"name":"a"', '"name":"b"'),
          apply,
        );
        assert.ok([201, 400, 413, 422, 500].includes(applied.status), `${applied.status} ${applied.text.slice(0, 300)}`);
        const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
        assert.equal((await callOf(server, 'GET', objects, undefined, table)).status, 200);
      }
      assert.equal((await callOf(server, 'GET', '/api/v1/namespaces/default')).status, 200);
      const { longestMs } = await server.report();
      assert.ok(longestMs < budgetMs, `the loop stood still for ${longestMs.toFixed(0)} ms`);
      await callOf(server, 'DELETE', `${path}/${plural}.hostile.example.com`);
    });
});
