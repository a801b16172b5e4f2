/** Several versions of a custom resource: strategies None and Webhook, a change of the storage version. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject, WatchEvent } from '#api/meta.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import { anything, define, definition, untilDefinition } from './definition.testing.ts';

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const at = (group: string, version: string, plural = 'widgets'): string =>
  `/apis/${group}/${version}/namespaces/default/${plural}`;
const merge = { 'content-type': 'application/merge-patch+json' };

interface Review {
  request: { uid: string; desiredAPIVersion: string; objects: (KubeObject & { spec?: JsonObject })[] };
}

/** A webhook that calls `size` of v1 `length` in v2. */
function answerOf(review: Review): JsonObject {
  const { uid, desiredAPIVersion, objects } = review.request;
  const convertedObjects = objects.map((object) => {
    const { size, length, ...spec } = object.spec ?? {};
    const value = size ?? length;
    const named = value === undefined ? {} : desiredAPIVersion.endsWith('v2') ? { length: value } : { size: value };
    return { ...object, apiVersion: desiredAPIVersion, spec: { ...spec, ...named } };
  });
  return {
    kind: 'ConversionReview',
    apiVersion: 'apiextensions.k8s.io/v1',
    response: { uid, convertedObjects: convertedObjects as unknown as JsonObject[], result: { status: 'Success' } },
  };
}

let api: TestServer;
let calls: Review[];
let answer: (review: Review) => unknown;
before(async () => {
  const post = async (_config: unknown, body: string): Promise<string> => {
    const review = JSON.parse(body) as Review;
    calls.push(review);
    const given = answer(review);
    return typeof given === 'string' ? given : JSON.stringify(given);
  };
  api = await startTestServer({ deps: { webhooks: { post } } });
});
after(() => api.stop());
beforeEach(() => {
  calls = [];
  answer = answerOf;
});

const webhook = {
  strategy: 'Webhook',
  webhook: { conversionReviewVersions: ['v1'], clientConfig: { service: { namespace: 'default', name: 'convert' } } },
};
const two = (group: string, conversion: JsonObject) =>
  definition({ group, versions: [{ name: 'v1' }, { name: 'v2' }], schema: anything, spec: { conversion } });
const widget = (group: string, version: string, name: string, spec: JsonObject): JsonObject => ({
  apiVersion: `${group}/${version}`,
  kind: 'Widget',
  metadata: { name },
  spec,
});
const specOf = (answer_: { json: unknown }): unknown => (answer_.json as { spec: unknown }).spec;

describe('versions of a custom resource', { timeout: 60_000 }, () => {
  it('differ in their name only with the strategy None, and in what their schemas know', async () => {
    const group = 'none.example.com';
    const old = { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } };
    const versions = [
      { name: 'v1', schema: { openAPIV3Schema: anything } },
      { name: 'v2', schema: { openAPIV3Schema: old } },
    ];
    await define(api, definition({ group, versions }));
    assert.equal((await api.request('POST', at(group, 'v1'), widget(group, 'v1', 'a', { size: 1, colour: 'red' }))).status, 201);
    const seen = await api.request('GET', `${at(group, 'v2')}/a`);
    assert.deepEqual([seen.json.apiVersion, specOf(seen)], [`${group}/v2`, { size: 1 }]);
    const stored = (await api.store.range({ prefix: `/registry/${group}/` })).entries.map(({ value }) =>
      Buffer.from(value).toString(),
    );
    assert.match(stored[0] ?? '', /^\{"apiVersion":"none.example.com\/v1"/);
  });

  it('are converted by a webhook, each object once', async () => {
    const group = 'hook.example.com';
    await define(api, two(group, webhook));
    const made = await api.request('POST', at(group, 'v2'), widget(group, 'v2', 'a', { length: 3 }));
    assert.equal(made.status, 201, made.text);
    assert.deepEqual([made.json.apiVersion, specOf(made)], [`${group}/v2`, { length: 3 }]);
    assert.deepEqual(specOf(await api.request('GET', `${at(group, 'v1')}/a`)), { size: 3 });
    await api.request('POST', at(group, 'v1'), widget(group, 'v1', 'b', { size: 4 }));
    calls = [];
    const list = async (): Promise<unknown> =>
      (await api.request('GET', at(group, 'v2'))).json.items.map((item) => (item as unknown as { spec: unknown }).spec);
    assert.deepEqual(await list(), [{ length: 3 }, { length: 4 }]);
    assert.deepEqual(await list(), [{ length: 3 }, { length: 4 }]);
    assert.deepEqual(
      calls.map(({ request }) => request.objects.length),
      [2],
    );
    const patched = await api.request('PATCH', `${at(group, 'v2')}/b`, { spec: { length: 5 } }, merge);
    assert.deepEqual([patched.json.metadata.generation, specOf(patched)], [2, { length: 5 }]);
    assert.deepEqual(specOf(await api.request('GET', `${at(group, 'v1')}/b`)), { size: 5 });
  });

  it('are watched in each version, whoever writes', async () => {
    const group = 'hook.example.com';
    const stop = new AbortController();
    const row = api.server.resources.find(group, 'v2', 'widgets');
    assert.ok(row !== undefined);
    const seen: string[] = [];
    const told = (async () => {
      for await (const event of api.client.of(row).watch({ namespace: 'default' }, stop.signal) as AsyncIterable<
        WatchEvent<KubeObject>
      >) {
        const { metadata, spec } = event.object as KubeObject & { spec?: unknown };
        seen.push(`${event.type} ${metadata.name} ${JSON.stringify(spec)}`);
        if (seen.at(-1)?.includes('"length":9') === true) return;
      }
    })();
    await api.request('POST', at(group, 'v1'), widget(group, 'v1', 'c', { size: 8 }));
    await api.request('PATCH', `${at(group, 'v1')}/c`, { spec: { size: 9 } }, merge);
    await told;
    stop.abort();
    assert.deepEqual(seen.slice(-2), ['ADDED c {"length":8}', 'MODIFIED c {"length":9}']);
  });

  for (const { name, given, message } of [
    {
      name: 'failed result',
      given: (review: Review) => ({
        ...answerOf(review),
        response: { uid: review.request.uid, result: { status: 'Failure', message: 'no way' } },
      }),
      message: /^conversion webhook for hook.example.com\/v1, Kind=Widget failed: no way$/,
    },
    {
      name: 'another uid',
      given: (review: Review) => ({ ...answerOf(review), response: { uid: 'x', result: { status: 'Success' } } }),
      message: /failed: expected response.uid="[-0-9a-f]+", got "x"$/,
    },
    {
      name: 'no response',
      given: () => ({ kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1' }),
      message: /failed: no response provided$/,
    },
    { name: 'garbage', given: () => '<html>', message: /failed: / },
    {
      name: 'another kind of answer',
      given: () => ({ kind: 'Status', apiVersion: 'v1' }),
      message: /failed: expected webhook response of apiextensions.k8s.io\/v1, Kind=ConversionReview, got v1, Kind=Status$/,
    },
    {
      name: 'too few objects',
      given: (review: Review) => ({
        ...answerOf(review),
        response: { uid: review.request.uid, result: { status: 'Success' }, convertedObjects: [] },
      }),
      message: /returned 0 objects, expected 1$/,
    },
    {
      name: 'another name',
      given: (review: Review) => renamed(review, { name: 'z' }),
      message: /returned invalid object: must have the same name: d != z$/,
    },
    {
      name: 'a label that is no text',
      given: (review: Review) => renamed(review, { labels: { a: 1 } }),
      message: /returned invalid metadata: metadata.labels\[a\] must be a string, but is int64 in converted object$/,
    },
    {
      name: 'the old version',
      given: (review: Review) => versioned(review),
      message:
        /returned invalid object at index 0: invalid groupVersion \(expected hook.example.com\/v2, received hook.example.com\/v1\)$/,
    },
  ])
    it(`are not served when the webhook answers with ${name}`, async () => {
      const group = 'hook.example.com';
      await api.request('DELETE', `${at(group, 'v1')}/d`);
      await api.request('POST', at(group, 'v1'), widget(group, 'v1', 'd', { size: 1 }));
      answer = given;
      const { status, json } = await api.request('GET', `${at(group, 'v2')}/d`);
      assert.equal(status, 500);
      assert.match(json.message, message);
      answer = answerOf;
      assert.equal((await api.request('GET', `${at(group, 'v2')}/d`)).status, 200);
    });

  it('keep their metadata but labels and annotations', async () => {
    const group = 'hook.example.com';
    answer = (review) =>
      renamed(review, { labels: { made: 'by-webhook' }, generation: 99, finalizers: ['x/y'], resourceVersion: '1' });
    const { status, json } = await api.request('GET', `${at(group, 'v2')}/d`);
    assert.equal(status, 200);
    await api.request('POST', at(group, 'v1'), widget(group, 'v1', 'e', { size: 1 }));
    const seen = (await api.request('GET', `${at(group, 'v2')}/e`)).json.metadata;
    assert.deepEqual([seen.labels, seen.generation, seen.finalizers], [{ made: 'by-webhook' }, 1, undefined]);
    assert.notEqual(seen.resourceVersion, '1');
    assert.equal(json.metadata.name, 'd');
  });

  it('move to another storage version, object by object, without an error', async () => {
    const group = 'move.example.com';
    await define(api, two(group, { strategy: 'None' }));
    for (const name of ['a', 'b']) await api.request('POST', at(group, 'v1'), widget(group, 'v1', name, { size: 1 }));
    const before = ['v1', 'v2'].map((version) => api.server.resources.find(group, version, 'widgets'));
    const versions = ['v1', 'v2'].map((name) => ({
      name,
      served: true,
      storage: name === 'v2',
      schema: { openAPIV3Schema: anything },
    }));
    const changed = await api.request('PATCH', `${definitions}/widgets.${group}`, { spec: { versions } }, merge);
    assert.equal(changed.status, 200, changed.text);
    const found = await untilDefinition(api, `widgets.${group}`, (one) => one?.status?.storedVersions?.length === 2);
    assert.deepEqual(found?.status?.storedVersions, ['v1', 'v2']);
    const storedIn = async (name: string): Promise<string | undefined> => {
      const { entries } = await api.store.range({ prefix: `/registry/${group}/widgets/default/${name}` });
      return /"apiVersion":"[^/]+\/(\w+)"/.exec(Buffer.from(entries[0]?.value ?? []).toString())?.[1];
    };
    await untilStoredIn(group, 'v2');
    assert.deepEqual(
      (await api.request('GET', at(group, 'v1'))).json.items.map(({ metadata }) => metadata.name),
      ['a', 'b'],
    );
    // Requests that came before the change hold the rows of then, whose ids are those of other versions now.
    for (const [index, row] of before.entries()) {
      assert.ok(row !== undefined);
      const found = await api.server.registry.get(row, { namespace: 'default', name: 'a' });
      assert.equal(found.object.apiVersion, `${group}/v${index + 1}`);
    }
    // An update that changes nothing writes the object in the new version.
    const { json } = await api.request('GET', `${at(group, 'v1')}/a`);
    assert.equal((await api.request('PUT', `${at(group, 'v1')}/a`, json)).status, 200);
    assert.deepEqual([await storedIn('a'), await storedIn('b')], ['v2', 'v1']);
  });
});

/** Waits until the server stores objects of the group in this version. */
async function untilStoredIn(group: string, version: string): Promise<void> {
  const { resources } = api.server;
  const isSo = (): boolean => resources.byId(`widgets.${group}`)?.version === version;
  while (!isSo()) {
    await new Promise<void>((resolve) => {
      const forget = resources.changed(() => {
        forget();
        resolve();
      });
    });
  }
}

function renamed(review: Review, metadata: JsonObject): unknown {
  const given = answerOf(review) as unknown as { response: { convertedObjects: KubeObject[] } };
  const { convertedObjects } = given.response;
  const changed = convertedObjects.map((object) => ({ ...object, metadata: { ...object.metadata, ...metadata } }));
  return { ...given, response: { ...given.response, convertedObjects: changed } };
}

function versioned(review: Review): unknown {
  const given = answerOf(review) as unknown as { response: object };
  return { ...given, response: { ...given.response, convertedObjects: review.request.objects } };
}
