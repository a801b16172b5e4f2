/** A kind that is added and removed while the server runs. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubeObject, WatchEvent } from '#api/meta.ts';
import { createOpenApi } from '#api/schema/openapi.ts';
import { isNotFound } from '#api/status.ts';
import { startTestServer, type TestServer } from './api-server.testing.ts';
import type { KindCatalog } from './catalog.ts';
import { openApiRoute } from './discovery/openapi-route.ts';
import { gadget, gadgetRow, gadgets, oldGadgets } from './gadgets.testing.ts';

let api: TestServer;
before(async () => {
  const deps = ({ resources }: KindCatalog) => ({ openapi: openApiRoute(createOpenApi(resources, 'v1.36.0', () => ({}))) });
  api = await startTestServer({ deps });
});
after(() => api.stop());

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const path = '/apis/example.com/v1/namespaces/default/gadgets';
const oldPath = '/apis/example.com/v1alpha1/namespaces/default/gadgets';

/** The events of a watch of these objects, and whether it has ended. */
function watched(events: AsyncIterable<WatchEvent<KubeObject>>) {
  const told: string[] = [];
  const state = { told, isOver: false };
  const waiting = new Map<string, () => void>();
  const over = (async () => {
    for await (const { type, object } of events) {
      const event = `${type} ${object.metadata.name}`;
      told.push(event);
      waiting.get(event)?.();
    }
    state.isOver = true;
  })();
  const until = async (event: string): Promise<void> => {
    if (!told.includes(event)) await new Promise<void>((resolve) => waiting.set(event, resolve));
  };
  return { state, over, until };
}

describe('a kind added at run time', { timeout: 240_000 }, () => {
  const stop = new AbortController();
  after(() => stop.abort());

  it('is unknown before', async () => {
    assert.equal((await api.request('GET', path)).status, 404);
    assert.equal((await api.request('GET', '/apis/example.com')).status, 404);
    assert.equal((await api.request('GET', '/openapi/v3/apis/example.com/v1')).status, 404);
    assert.equal(api.server.removeKind(gadgetRow.id), false);
  });

  it('is served with what was stored before it came, while watches of other kinds go on', async () => {
    const others = watched(api.client.resource('configmaps').watch({ namespace: 'default' }, stop.signal));
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'one', namespace: 'default' } } as const;
    await api.client.resource('configmaps').create({ ...configMap, metadata: { ...configMap.metadata } });
    await others.until('ADDED one');
    const earlier = {
      ...gadget('earlier'),
      metadata: { ...gadget('earlier').metadata, uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' },
    };
    await api.store.put('/registry/example.com/gadgets/default/earlier', Buffer.from(JSON.stringify(earlier)));

    await api.server.addKind(gadgets);
    assert.equal((await api.request('GET', path)).json.items[0]?.metadata.name, 'earlier');

    const client = api.client.of(gadgetRow);
    const own = watched(client.watch({ namespace: 'default' }, stop.signal));
    const made = await client.create(gadget('made', { parts: ['wheel'] }));
    await own.until('ADDED made');
    assert.ok(made.metadata.uid !== '' && made.metadata.managedFields !== undefined);
    assert.deepEqual(
      (await client.list({ namespace: 'default' })).items.map(({ metadata }) => metadata.name),
      ['earlier', 'made'],
    );
    await client.delete({ namespace: 'default', name: 'earlier' });
    await own.until('DELETED earlier');

    await api.client.resource('configmaps').delete({ namespace: 'default', name: 'one' });
    await others.until('DELETED one');
    assert.deepEqual([others.state.isOver, own.state.isOver], [false, false]);
    await assert.rejects(api.server.addKind(gadgets), /is served already/);

    // When the kind is removed, its watch ends and others continue.
    assert.equal(api.server.removeKind(gadgetRow.id), true);
    await own.over;
    assert.equal((await api.request('GET', path)).status, 404);
    await assert.rejects(client.list({ namespace: 'default' }), isNotFound);
    await api.client.resource('configmaps').create({ ...configMap, metadata: { name: 'two', namespace: 'default' } });
    await others.until('ADDED two');
    assert.equal(others.state.isOver, false);

    // When it is added again, its stored objects are still there.
    await api.server.addKind(gadgets);
    assert.deepEqual(
      (await client.list({ namespace: 'default' })).items.map(({ metadata }) => metadata.name),
      ['made'],
    );
  });

  it('is decoded by its own facts: unknown fields, wrong types, long bodies, every kind of patch', async () => {
    const refused = await api.request('POST', `${path}?fieldValidation=Strict`, gadget('odd', { wings: 2 }));
    assert.match(refused.json.message, /unknown field "wings"/);
    assert.equal((await api.request('POST', path, gadget('odd', { parts: 'none' }))).status, 400);
    const long = Array.from({ length: 10_000 }, (_, index) => `part-${index}`);
    const answer = await api.request('POST', path, gadget('long', { parts: long }));
    assert.equal(answer.status, 201, answer.text.slice(0, 300));
    assert.equal((answer.json as unknown as { parts: string[] }).parts.length, long.length);
    const merge = { 'content-type': 'application/merge-patch+json' };
    assert.equal((await api.request('PATCH', `${path}/made`, { parts: ['a', 'b'] }, merge)).status, 200);
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
    assert.equal((await api.request('PATCH', `${path}/made`, { metadata: { labels: { a: 'b' } } }, strategic)).status, 200);
    const apply = { 'content-type': 'application/apply-patch+yaml' };
    const applied = await api.request('PATCH', `${path}/made?fieldManager=me`, gadget('made', { parts: ['c'] }), apply);
    assert.deepEqual((applied.json as unknown as { parts: string[] }).parts, ['a', 'b', 'c']);
    assert.equal((await api.request('GET', `${path}?fieldSelector=spec.x=1`)).status, 400);
  });

  it('is found by discovery, behind the built-in groups, and has an OpenAPI document', async () => {
    const groups = (await api.request('GET', '/apis')).json.groups.map(({ name }) => name);
    assert.deepEqual([groups.at(-1), groups.at(0)], ['example.com', 'apiregistration.k8s.io']);
    const list = (await api.request('GET', '/apis/example.com/v1')).json.resources;
    assert.deepEqual(
      list.map(({ name }) => name),
      ['gadgets'],
    );
    const { items } = (await api.request('GET', '/apis', undefined, { accept: aggregated })).json;
    assert.equal(items.at(-1)?.metadata.name, 'example.com');
    const document = await api.request('GET', '/openapi/v3/apis/example.com/v1');
    assert.equal(document.status, 200);
    const { components, paths } = document.json as unknown as { components: { schemas: object }; paths: object };
    assert.ok('com.example.v1.Gadget' in components.schemas);
    assert.ok('/apis/example.com/v1/namespaces/{namespace}/gadgets/{name}' in paths);
    assert.match((await api.request('GET', '/openapi/v3')).text, /apis\/example\.com\/v1\?hash=/);
    assert.match((await api.request('GET', '/openapi/v2')).text, /com\.example\.v1\.Gadget/);
    const metrics = (await api.request('GET', '/metrics')).text;
    assert.match(metrics, /apiserver_request_total\{[^}]*resource="gadgets"/);
  });

  it('may have a second version, which is another view of the same stored objects', async () => {
    const others = watched(api.client.of(gadgetRow).watch({ namespace: 'default' }, stop.signal));
    await others.until('ADDED made');
    await api.server.addKind(oldGadgets);
    const { versions, preferredVersion } = (await api.request('GET', '/apis/example.com')).json as unknown as {
      versions: { version: string }[];
      preferredVersion: { version: string };
    };
    assert.deepEqual([versions.map(({ version }) => version), preferredVersion.version], [['v1', 'v1alpha1'], 'v1']);
    const old = (await api.request('GET', `${oldPath}/made`)).json as unknown as { apiVersion: string; pieces: string[] };
    assert.deepEqual([old.apiVersion, old.pieces], ['example.com/v1alpha1', ['a', 'b', 'c']]);
    const oldClient = api.client.of(oldGadgets.resource);
    const watch = watched(oldClient.watch({ namespace: 'default' }, stop.signal));
    await oldClient.create({ ...gadget('second', { pieces: ['d'] }), apiVersion: 'example.com/v1alpha1' });
    await Promise.all([watch.until('ADDED second'), others.until('ADDED second')]);
    const stored = (await api.request('GET', `${path}/second`)).json as unknown as { apiVersion: string; parts: string[] };
    assert.deepEqual([stored.apiVersion, stored.parts], ['example.com/v1', ['d']]);
    const bytes = (await api.store.range({ prefix: '/registry/example.com/gadgets/default/second' })).entries[0]?.value;
    assert.match(Buffer.from(bytes ?? []).toString(), /"apiVersion":"example.com\/v1".*"parts":\["d"\]/);

    assert.throws(() => api.server.removeKind(gadgetRow.id), /is stored as/);
    assert.equal(api.server.removeKind(oldGadgets.resource.id), true);
    await watch.over;
    assert.equal(others.state.isOver, false);
    assert.equal((await api.request('GET', '/openapi/v3/apis/example.com/v1alpha1')).status, 404);
  });

  it('may come again with other types under the same names', async () => {
    assert.equal(api.server.removeKind(gadgetRow.id), true);
    await api.server.addKind({ ...gadgets, types: (gadgets.types ?? '').replaceAll(' parts 2', ' tools 2') });
    const answer = await api.request('POST', `${path}?fieldValidation=Strict`, gadget('third', { tools: ['saw'] }));
    assert.equal(answer.status, 201, answer.text);
    const long = gadget('fourth', { parts: Array.from({ length: 10_000 }, (_, index) => `part-${index}`) });
    assert.match((await api.request('POST', `${path}?fieldValidation=Strict`, long)).json.message, /unknown field "parts"/);
    assert.match((await api.request('GET', '/openapi/v3/apis/example.com/v1')).text, /"tools"/);
  });

  it('is refused, and leaves nothing behind, where its place or its types are taken', async () => {
    const elsewhere = { ...gadgetRow, id: 'things.example.org', group: 'example.org', plural: 'things' };
    const types = 'example.org/v1.Thing\n a 1 s';
    await assert.rejects(
      api.server.addKind({ ...gadgets, resource: { ...elsewhere, storagePrefix: '/registry/configmaps' }, types }),
      /watch cache/,
    );
    await assert.rejects(
      api.server.addKind({ ...gadgets, resource: { ...elsewhere, storagePrefix: '/registry/example.org/things' } }),
      /type|kind/,
    );
    const view = { ...oldGadgets, resource: { ...oldGadgets.resource, storedAs: 'nothing' } };
    await assert.rejects(api.server.addKind(view), /which is not there/);
    assert.equal((await api.request('GET', '/apis/example.org')).status, 404);
    await api.server.addKind({ ...gadgets, resource: { ...elsewhere, storagePrefix: '/registry/example.org/things' }, types });
    assert.equal((await api.request('GET', '/api/v1/namespaces/default/configmaps')).status, 200);
    assert.equal(api.server.removeKind(elsewhere.id), true);
  });
});
