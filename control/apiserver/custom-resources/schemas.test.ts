/**
 * Custom resources follow the schema of their version. Upstream's conformance tests of rules and of defaulting are among these.
 *
 * Source of the cases: kubernetes `test/e2e/apimachinery/crd_validation_rules.go`, `custom_resource_definition.go`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { JsonObject, JsonValue } from '#api/json.ts';
import type { JSONSchemaProps } from '#api/types.generated.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import { define, definition } from './definition.testing.ts';

let api: TestServer;
before(async () => {
  api = await startTestServer();
});
after(() => api.stop());

const object = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'object',
  properties,
  ...more,
});
const list = (items: JSONSchemaProps, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'array',
  items: items as unknown as JsonObject,
  ...more,
});
const rules = (...sources: string[]): JSONSchemaProps => ({
  'x-kubernetes-validations': sources.map((rule) => ({ rule })),
});
const integer: JSONSchemaProps = { type: 'integer' };
const text: JSONSchemaProps = { type: 'string' };
const integers = list(integer, { maxItems: 1_000 });

let kinds = 0;

/** Resources of a kind of their own with this schema of their spec. */
async function kindWith(spec: JSONSchemaProps, more: Record<string, JSONSchemaProps> = {}) {
  const kind = `Thing${String.fromCharCode(97 + kinds++)}`;
  await define(api, definition({ kind, schema: object({ spec, ...more }) }));
  const path = `/apis/example.com/v1/namespaces/default/${kind.toLowerCase()}s`;
  const body = (name: string, parts: JsonObject): JsonObject => ({
    apiVersion: 'example.com/v1',
    kind,
    metadata: { name },
    ...parts,
  });
  return {
    path,
    create: (name: string, parts: JsonObject, query = '') => api.request('POST', `${path}${query}`, body(name, parts)),
    async update(name: string, parts: JsonObject) {
      const { json } = await api.request('GET', `${path}/${name}`);
      return await api.request('PUT', `${path}/${name}`, { ...body(name, parts), metadata: json.metadata });
    },
  };
}

const refuse = async (spec: JSONSchemaProps, message: RegExp): Promise<void> => {
  const refused = await api.request(
    'POST',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    definition({ kind: 'Refused', schema: object({ spec }) }),
  );
  assert.equal(refused.status, 422, refused.text);
  assert.match(refused.json.message, message);
};

describe('rules of custom resources', { timeout: 120_000 }, () => {
  const spec = object(
    { x: integer, y: integer, firstArray: integers, secondArray: integers, largeArray: list(integer, { maxItems: 725 }) },
    rules(
      'self.x + self.y > 0',
      'self.firstArray.isSorted() && self.secondArray.isSorted() && ((self.firstArray.sum() + self.secondArray.sum()) % 2 == 0)',
      'self.largeArray.all(x, self.largeArray.all(y, y == x))',
    ),
  );
  const status = object({ health: text }, rules("self.health == 'ok' || self.health == 'unhealthy'"));

  it('let through what they allow', async () => {
    const { create } = await kindWith(spec, { status });
    const made = await create('good', {
      spec: { x: 1, y: 0, firstArray: [1, 2, 3], secondArray: [2, 4], largeArray: [1] },
      status: { health: 'ok' },
    });
    assert.equal(made.status, 201, made.text);
  });

  it('refuse what they do not', async () => {
    const { create } = await kindWith(spec, { status });
    const refused = await create('bad', { spec: { x: 0, y: 0 }, status: { health: 'so so' } });
    assert.equal(refused.status, 422);
    const causes = refused.json.details.causes.map(({ field, message }: JsonObject) => `${field}: ${message}`);
    assert.deepEqual(causes, [
      'spec: Invalid value: failed rule: self.x + self.y > 0',
      `spec: Invalid value: "object": no such key: firstArray evaluating rule: self.firstArray.isSorted() && self.secondArray.isSorted() && ((self.firstArray.sum() + self.secondArray.sum()) % 2 == 0)`,
      `spec: Invalid value: "object": no such key: largeArray evaluating rule: self.largeArray.all(x, self.largeArray.all(y, y == x))`,
      `status: Invalid value: failed rule: self.health == 'ok' || self.health == 'unhealthy'`,
    ]);
  });

  it('that cannot be understood make a definition invalid', async () => {
    await refuse(object({ x: integer }, rules('self.z == 100')), /undefined field 'z'/);
    await refuse(object({ x: integer }, rules('self = 42')), /Syntax error/);
    const rowsOfTexts = list(list(text, rules("self.all(s, s == 'string constant')")));
    await refuse(object({ x: rowsOfTexts }), /exceeds budget by factor of more than 100x/);
  });

  it('that cost more than one may end at the limit', async () => {
    const { create } = await kindWith(spec, { status });
    const refused = await create('dear', { spec: { x: 1, y: 1, largeArray: Array.from({ length: 725 }, () => 20) } });
    assert.equal(refused.status, 422);
    assert.match(refused.json.message, /call cost exceeds limit/);
  });

  it('that cost much together are evaluated while others are served', async () => {
    const { create } = await kindWith(
      object(
        { l: list(integer, { maxItems: 1_000 }) },
        rules(...Array.from({ length: 10 }, (_, index) => `self.l.all(x, x + ${index} in self.l || true)`)),
      ),
    );
    const dear = create('dear', { spec: { l: Array.from({ length: 900 }, (_, index) => index) } });
    let isDone = false;
    void dear.then(() => {
      isDone = true;
    });
    const start = performance.now();
    let last = start;
    let longest = 0;
    while (!isDone) {
      await setImmediate();
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }
    assert.equal((await dear).status, 201);
    // Ten rules of the same cost: each has a turn of its own.
    assert.ok(longest < (last - start) * 0.7, `${longest} ms of ${last - start} ms were one turn`);
  });

  it('about changes compare with the stored object', async () => {
    const { create, update } = await kindWith(object({ num: { ...integer, ...rules('self > oldSelf') } }));
    assert.equal((await create('a', { spec: { num: 10 } })).status, 201);
    const refused = await update('a', { spec: { num: 9 } });
    assert.equal(refused.status, 422);
    assert.match(refused.json.message, /spec\.num: Invalid value: 9: failed rule: self > oldSelf/);
    assert.equal((await update('a', { spec: { num: 11 } })).status, 200);
  });

  it('that come later let unchanged values be, with a warning', async () => {
    const kind = await kindWith(object({ num: integer, other: text }));
    assert.equal((await kind.create('a', { spec: { num: 1 } })).status, 201);
    const name = kind.path.split('/').at(-1);
    const schema = object({ spec: object({ num: { ...integer, ...rules('self > 5') }, other: text }) });
    const patched = await api.request(
      'PATCH',
      `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}.example.com`,
      [{ op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema', value: schema as unknown as JsonValue }],
      { 'content-type': 'application/json-patch+json' },
    );
    assert.equal(patched.status, 200, patched.text);
    let changed = await kind.update('a', { spec: { num: 1, other: 'x' } });
    // The new schema is served some moments later.
    for (let tries = 0; changed.headers['warning'] === undefined && tries < 100; tries++)
      changed = await kind.update('a', { spec: { num: 1, other: `x${tries}` } });
    assert.equal(changed.status, 200, changed.text);
    assert.match(String(changed.headers['warning']), /spec\.num: Invalid value: 1: failed rule: self > 5/);
    assert.equal((await kind.update('a', { spec: { num: 2 } })).status, 422);
  });
});

describe('schemas of custom resources', { timeout: 60_000 }, () => {
  const spec = object({
    a: { ...text, default: 'A' },
    b: { ...text, pattern: '^b+$' },
    template: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: object({ n: integer }) } },
    ports: list(object({ name: text, port: integer }, { required: ['name'] }), {
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    }),
  });

  it('fill in defaults and drop unknown fields', async () => {
    const { create, path } = await kindWith(spec);
    const made = await create('a', {
      spec: { x: 1, b: null, template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', x: 1 }, spec: { m: 1 } } },
      y: 1,
    });
    assert.equal(made.status, 201, made.text);
    assert.deepEqual(made.json.spec, {
      a: 'A',
      template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: {} },
    });
    assert.deepEqual((await api.request('GET', `${path}/a`)).json.spec, made.json.spec);
  });

  it('say which fields are unknown', async () => {
    const { create } = await kindWith(spec);
    const strict = await create(
      'a',
      { spec: { x: 1, template: { apiVersion: 'v1', kind: 'P', metadata: { x: 1 } } } },
      '?fieldValidation=Strict',
    );
    assert.equal(strict.status, 400);
    assert.match(strict.json.message, /strict decoding error: unknown field "spec.x", unknown field "spec.template.metadata.x"/);
    const warned = await create('b', { spec: { x: 1 } }, '?fieldValidation=Warn');
    assert.equal(warned.status, 201);
    assert.match(String(warned.headers['warning']), /unknown field \\"spec.x\\"/);
  });

  it('refuse values that do not fit, keys that are repeated, and resources without a kind', async () => {
    const { create } = await kindWith(spec);
    const refused = await create('a', {
      spec: { b: 'c', ports: [{ name: 'x' }, { name: 'x' }], template: { metadata: { name: 'p' } } },
    });
    assert.equal(refused.status, 422);
    assert.deepEqual(
      refused.json.details.causes.map(({ field, message }: JsonObject) => `${field}: ${message}`),
      [
        `spec.b: Invalid value: "c": spec.b in body should match '^b+$'`,
        'spec.template.apiVersion: Required value',
        'spec.template.kind: Required value',
        'spec.ports[1]: Duplicate value: {"name":"x"}',
      ],
    );
  });
});
