/** What a definition says of its kind: schema, status, scale, columns, selectable fields; names, deletion, several servers. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import type { JSONSchemaProps } from '#api/types.generated.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import { define, definition, untilCondition, untilDefinition } from './definition.testing.ts';

let api: TestServer;
before(async () => {
  api = await startTestServer();
});
after(() => api.stop());

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const merge = { 'content-type': 'application/merge-patch+json' };
const apply = { 'content-type': 'application/apply-patch+yaml' };
const list = '/apis/example.com/v1/namespaces/default/widgets';

const schema: JSONSchemaProps = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      properties: {
        replicas: { type: 'integer', minimum: 0, default: 1 },
        colour: { type: 'string', enum: ['red', 'green'] },
        ports: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, port: { type: 'integer' } } },
        },
      },
      'x-kubernetes-validations': [{ rule: 'self.replicas < 10', message: 'too many' }],
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' }, selector: { type: 'string' } } },
  },
};
const whole = definition({
  schema,
  versions: [
    {
      subresources: {
        status: {},
        scale: {
          specReplicasPath: '.spec.replicas',
          statusReplicasPath: '.status.replicas',
          labelSelectorPath: '.status.selector',
        },
      },
      additionalPrinterColumns: [
        { name: 'Colour', type: 'string', jsonPath: '.spec.colour' },
        { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas', priority: 1, description: 'How many.' },
        { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      ],
      selectableFields: [{ jsonPath: '.spec.colour' }],
    },
  ],
});
const widget = (name: string, spec: JsonObject, more: object = {}): JsonObject => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name },
  spec,
  ...more,
});
const specOf = (answer: { json: unknown }): unknown => (answer.json as { spec: unknown }).spec;

describe('a kind with everything', { timeout: 60_000 }, () => {
  before(() => define(api, whole));

  it('prunes, defaults and validates', async () => {
    const made = await api.request('POST', list, widget('a', { colour: 'red', extra: 1 }, { status: { replicas: 9 } }));
    assert.deepEqual(
      [made.status, specOf(made), (made.json as unknown as { status?: unknown }).status],
      [201, { colour: 'red', replicas: 1 }, undefined],
    );
    assert.match(made.headers['warning'] ?? '', /unknown field \\"spec.extra\\"/);
    for (const [spec, message] of [
      [
        { colour: 'blue' },
        /spec.colour: Unsupported value: "blue": supported values: "red", "green", .*some validation rules were not checked/,
      ],
      [{ replicas: -1 }, /spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0/],
      [{ replicas: 10 }, 'Widget.example.com "b" is invalid: spec: Invalid value: too many'],
      [{ ports: [{ name: 'a' }, { name: 'a' }] }, /spec.ports\[1\]: Duplicate value: {"name":"a"}/],
    ] as const) {
      const { status, json } = await api.request('POST', list, widget('b', spec as JsonObject));
      assert.equal(status, 422, json.message);
      if (typeof message === 'string') assert.equal(json.message, message);
      else assert.match(json.message, message);
    }
  });

  it('refuses unknown and repeated fields together when it is strict, in bodies and in patches', async () => {
    const body =
      '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"b","odd":1},"spec":{"extra":1,"colour":"red","colour":"red"}}';
    const { status, json } = await api.request('POST', `${list}?fieldValidation=Strict`, body);
    assert.equal(status, 400);
    assert.equal(
      json.message,
      'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "metadata.odd", duplicate field "spec.colour", unknown field "spec.extra"',
    );
    const patched = await api.request('PATCH', `${list}/a?fieldValidation=Strict`, { spec: { extra: 2 } }, merge);
    assert.equal(patched.status, 422);
    assert.match(patched.json.message, /strict decoding error: unknown field "spec.extra"/);
    const ignored = await api.request('PATCH', `${list}/a?fieldValidation=Ignore`, { spec: { extra: 2 } }, merge);
    assert.deepEqual(
      [ignored.status, ignored.headers['warning'], specOf(ignored)],
      [200, undefined, { colour: 'red', replicas: 1 }],
    );
  });

  it('has a status of its own, which counts in no generation', async () => {
    const put = await api.request(
      'PATCH',
      `${list}/a/status`,
      { spec: { colour: 'green' }, metadata: { labels: { a: 'b' } }, status: { replicas: 2, selector: 'app=a' } },
      merge,
    );
    assert.equal(put.status, 200, put.text);
    const seen = await api.request('GET', `${list}/a`);
    assert.deepEqual(
      [
        specOf(seen),
        (seen.json as unknown as { status: unknown }).status,
        seen.json.metadata.generation,
        seen.json.metadata.labels,
      ],
      [{ colour: 'red', replicas: 1 }, { replicas: 2, selector: 'app=a' }, 1, undefined],
    );
    const wrong = await api.request('PATCH', `${list}/a/status`, { status: { replicas: 'two' } }, merge);
    assert.match(
      wrong.json.message,
      /status.replicas: Invalid value: "string": replicas in body must be of type integer: "string"/,
    );
  });

  it('has a scale', async () => {
    const scale = (await api.request('GET', `${list}/a/scale`)).json as unknown as {
      kind: string;
      spec: unknown;
      status: unknown;
    };
    assert.deepEqual([scale.kind, scale.spec, scale.status], ['Scale', { replicas: 1 }, { replicas: 2, selector: 'app=a' }]);
    const set = await api.request('PATCH', `${list}/a/scale`, { spec: { replicas: 4 } }, merge);
    assert.equal(set.status, 200, set.text);
    const seen = await api.request('GET', `${list}/a`);
    assert.deepEqual([specOf(seen), seen.json.metadata.generation], [{ colour: 'red', replicas: 4 }, 2]);
    const much = await api.request('PATCH', `${list}/a/scale`, { spec: { replicas: 40 } }, merge);
    assert.match(much.json.message, /too many/);
  });

  it('is shown in its columns', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const table = (await api.request('GET', list, undefined, { accept })).json as unknown as {
      columnDefinitions: { name: string; priority: number; description: string }[];
      rows: { cells: unknown[] }[];
    };
    assert.deepEqual(
      table.columnDefinitions.map(({ name, priority }) => [name, priority]),
      [
        ['Name', 0],
        ['Colour', 0],
        ['Replicas', 1],
        ['Age', 0],
      ],
    );
    assert.equal(table.columnDefinitions[1]?.description, 'Custom resource definition column (in JSONPath format): .spec.colour');
    assert.deepEqual(table.rows[0]?.cells.slice(0, 3), ['a', 'red', 4]);
  });

  it('is selected by its fields, and by no other', async () => {
    await api.request('POST', list, widget('g', { colour: 'green' }));
    const names = async (selector: string): Promise<string[]> =>
      (await api.request('GET', `${list}?fieldSelector=${selector}`)).json.items.map(({ metadata }) => metadata.name);
    assert.deepEqual([await names('spec.colour=green'), await names('spec.colour!=green')], [['g'], ['a']]);
    const other = await api.request('GET', `${list}?fieldSelector=spec.replicas=1`);
    assert.deepEqual([other.status, other.json.message], [400, 'field label not supported: spec.replicas']);
  });

  it('is applied by list keys, and unknown fields of a configuration are errors', async () => {
    const of = (ports: JsonObject[]): JsonObject => widget('s', { ports });
    await api.request('PATCH', `${list}/s?fieldManager=one`, of([{ name: 'a', port: 1 }]), apply);
    const two = await api.request('PATCH', `${list}/s?fieldManager=two`, of([{ name: 'b', port: 2 }]), apply);
    assert.deepEqual(
      specOf(two),
      {
        replicas: 1,
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2 },
        ],
      },
      two.text,
    );
    const gone = await api.request('PATCH', `${list}/s?fieldManager=one`, of([]), apply);
    assert.deepEqual(specOf(gone), { replicas: 1, ports: [{ name: 'b', port: 2 }] });
    const odd = await api.request('PATCH', `${list}/s?fieldManager=one`, widget('s', { odd: 1 }), apply);
    assert.deepEqual(
      [odd.status, odd.json.message],
      [
        500,
        'failed to create typed patch object (default/s; example.com/v1, Kind=Widget): .spec.odd: field not declared in schema',
      ],
    );
    // Beyond 32 KiB another thread does it, which has to know the schema, too.
    const many = Array.from({ length: 2000 }, (_, index) => ({ name: `port-${index}`, port: index }));
    const large = await api.request('PATCH', `${list}/l?fieldManager=one`, widget('l', { ports: many }), apply);
    assert.equal(large.status, 201, large.text.slice(0, 300));
    const more = await api.request(
      'PATCH',
      `${list}/l?fieldManager=two`,
      widget('l', { ports: [{ name: 'more', port: 1 }] }),
      apply,
    );
    assert.equal((specOf(more) as { ports: unknown[] }).ports.length, 2001);
  });

  it('has no form in protobuf, but its metadata has', async () => {
    const protobuf = 'application/vnd.kubernetes.protobuf';
    assert.equal((await api.request('GET', `${list}/a`, undefined, { accept: protobuf })).status, 406);
    assert.equal(
      (await api.request('GET', list, undefined, { accept: `${protobuf},application/json` })).headers['content-type'],
      'application/json',
    );
    const metadata = `${protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;
    assert.equal((await api.request('GET', list, undefined, { accept: metadata })).headers['content-type'], protobuf);
    assert.equal((await api.request('POST', list, Buffer.from('k8s\0'), { 'content-type': protobuf })).status, 415);
  });

  it('changes with its definition, without a moment in which it is not served, and ends only its own watches', async () => {
    const stop = new AbortController();
    const isOver = { others: false };
    const others = (async () => {
      for await (const _ of api.client.resource('configmaps').watch({ namespace: 'default' }, stop.signal));
      isOver.others = true;
    })();
    const row = api.server.resources.byId('widgets.example.com');
    assert.ok(row !== undefined);
    const own = (async () => {
      for await (const _ of api.client.of(row).watch({ namespace: 'default' }, stop.signal));
    })();
    const versions = [
      {
        ...whole.spec.versions[0],
        schema: { openAPIV3Schema: { ...schema, properties: { ...schema.properties, more: { type: 'string' } } } },
      },
    ];
    assert.equal((await api.request('PATCH', `${definitions}/widgets.example.com`, { spec: { versions } }, merge)).status, 200);
    for (let isOwnOver = false; !isOwnOver; ) {
      isOwnOver = await Promise.race([own.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);
      assert.equal((await api.request('GET', list)).status, 200);
    }
    assert.equal(isOver.others, false);
    const made = await api.request('POST', list, widget('m', {}, { more: 'yes' }));
    assert.equal((made.json as unknown as { more: string }).more, 'yes');
    stop.abort();
    await others;
  });

  it('takes nothing new while its definition is deleted, and waits for finalizers', async () => {
    const held = await api.request('PATCH', `${list}/a`, { metadata: { finalizers: ['example.com/hold'] } }, merge);
    assert.equal(held.status, 200, held.text);
    assert.equal((await api.request('DELETE', `${definitions}/widgets.example.com`)).status, 200);
    await untilCondition(api, 'widgets.example.com', 'Terminating', 'True');
    const refused = await api.request('POST', list, widget('z', {}));
    assert.deepEqual(
      [refused.status, refused.json.message],
      [403, 'widgets.example.com "z" is forbidden: create not allowed while custom resource definition is terminating'],
    );
    assert.equal((await api.request('PATCH', `${list}/a`, { metadata: { finalizers: null } }, merge)).status, 200);
    await untilDefinition(api, 'widgets.example.com', (one) => one === undefined);
  });
});

describe('definitions', { timeout: 60_000 }, () => {
  it('cannot have names of others, and get them when they are free', async () => {
    await define(api, definition({ group: 'names.example.com' }));
    const second = definition({ group: 'names.example.com', plural: 'others', kind: 'Other', names: { shortNames: ['widget'] } });
    assert.equal((await api.request('POST', definitions, second)).status, 201);
    const refused = await untilCondition(api, 'others.names.example.com', 'NamesAccepted', 'False');
    assert.equal(refused.status?.conditions?.find(({ type }) => type === 'NamesAccepted')?.message, '"widget" is already in use');
    assert.equal((await api.request('GET', '/apis/names.example.com/v1/others')).status, 404);
    await api.request('DELETE', `${definitions}/widgets.names.example.com`);
    await untilCondition(api, 'others.names.example.com', 'Established', 'True');
    assert.equal((await api.request('GET', '/apis/names.example.com/v1/others')).status, 200);
  });

  it('are served by every server of a store, also by one that starts later', async () => {
    const second = await startTestServer({ store: api.store, namespaces: [] });
    try {
      await define(api, definition({ group: 'both.example.com' }));
      await untilDefinition(
        second,
        'widgets.both.example.com',
        (one) => one?.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') === true,
      );
      const path = '/apis/both.example.com/v1/namespaces/default/widgets';
      while ((await second.request('GET', path)).status === 404) await new Promise((resolve) => setImmediate(resolve));
      const made = await second.request('POST', path, {
        apiVersion: 'both.example.com/v1',
        kind: 'Widget',
        metadata: { name: 'a' },
      });
      assert.equal(made.status, 201, made.text);
      assert.equal((await api.request('GET', `${path}/a`)).status, 200);
      const third = await startTestServer({ store: api.store, namespaces: [] });
      assert.equal((await third.request('GET', `${path}/a`)).status, 200);
      await third.stop();
    } finally {
      await second.stop();
    }
  });
});
