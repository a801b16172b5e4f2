/** Custom resources are served as soon as their definition is established. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import { define, definition, untilDefinition } from './definition.testing.ts';

let api: TestServer;
before(async () => {
  api = await startTestServer();
});
after(() => api.stop());

const path = '/apis/example.com/v1/namespaces/default/widgets';
const widget = (name: string, more: object = {}): object => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name, namespace: 'default' },
  ...more,
});

describe('a custom resource', { timeout: 60_000 }, () => {
  it('is served once its definition is established', async () => {
    assert.equal((await api.request('GET', path)).status, 404);
    const established = await define(api, definition({ names: { shortNames: ['wd'], categories: ['all'] } }));
    assert.deepEqual(
      established.status?.conditions?.map(({ type, status, reason }) => [type, status, reason]),
      [
        ['NamesAccepted', 'True', 'NoConflicts'],
        ['Established', 'True', 'InitialNamesAccepted'],
      ],
    );
    assert.deepEqual(established.status?.storedVersions, ['v1']);
    assert.deepEqual(established.status?.acceptedNames, {
      plural: 'widgets',
      singular: 'widget',
      kind: 'Widget',
      listKind: 'WidgetList',
      shortNames: ['wd'],
      categories: ['all'],
    });
    const made = await api.request('POST', path, widget('a', { spec: { size: 3, big: 12345678901234567890n.toString() } }));
    assert.equal(made.status, 201, made.text);
    assert.equal(made.json.metadata.generation, 1);
    const list = await api.request('GET', path);
    assert.deepEqual([list.json.kind, list.json.apiVersion], ['WidgetList', 'example.com/v1']);
    assert.deepEqual([list.json.items[0]?.kind, list.json.items[0]?.metadata.name], ['Widget', 'a']);
    const patched = await api.request(
      'PATCH',
      `${path}/a`,
      { spec: { size: 4 } },
      { 'content-type': 'application/merge-patch+json' },
    );
    assert.equal(patched.json.metadata.generation, 2, patched.text);
    const strategic = await api.request('PATCH', `${path}/a`, {}, { 'content-type': 'application/strategic-merge-patch+json' });
    assert.equal(strategic.status, 415);
    assert.match(
      strategic.json.message,
      /application\/json-patch\+json, application\/merge-patch\+json, application\/apply-patch\+yaml$/,
    );
  });

  it('has fields that managers own one by one', async () => {
    const apply = { 'content-type': 'application/apply-patch+yaml' };
    const one = await api.request(
      'PATCH',
      `${path}/b?fieldManager=one`,
      widget('b', { spec: { x: { y: 1 }, list: [1] } }),
      apply,
    );
    assert.equal(one.status, 201, one.text);
    const two = await api.request('PATCH', `${path}/b?fieldManager=two`, widget('b', { spec: { x: { z: 2 } } }), apply);
    assert.deepEqual((two.json as unknown as { spec: unknown }).spec, { x: { y: 1, z: 2 }, list: [1] }, two.text);
    const clash = await api.request('PATCH', `${path}/b?fieldManager=two`, widget('b', { spec: { list: [2] } }), apply);
    assert.equal(clash.status, 409);
    assert.match(clash.json.message, /conflict with "one": \.spec\.list/);
  });

  it('goes with its definition, and with it its objects', async () => {
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const gone = await api.request('DELETE', `${definitions}/widgets.example.com`);
    assert.equal(gone.status, 200, gone.text);
    await untilDefinition(api, 'widgets.example.com', (one) => one === undefined);
    assert.equal((await api.store.range({ prefix: '/registry/example.com/widgets/' })).entries.length, 0);
    for (let tries = 0; (await api.request('GET', path)).status !== 404; tries++) assert.ok(tries < 100);
    await define(api, definition());
    assert.deepEqual((await api.request('GET', path)).json.items, []);
  });
});
