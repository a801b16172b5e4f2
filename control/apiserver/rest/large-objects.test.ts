import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { WatchEvent } from '#api/meta.ts';
import type { ConfigMap } from '#api/types.generated.ts';
import { turnsDuring } from '#client/turns.testing.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';

/** A map with so many keys takes each step of a request tens of milliseconds. */
const keys = 8_000;
const map = (value: string, name = 'large') => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels: Object.fromEntries(Array.from({ length: keys }, (_, index) => [`k${index}`, value])) },
});
const path = '/api/v1/namespaces/default/configmaps';
/** Fewer than there are, and far more than there would be if reading, writing or comparing the object took one turn. */
const fewTurns = 8;

describe('requests with one large object let others in', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
    assert.equal((await server.request('POST', path, map('v'))).status, 201);
  });
  after(() => server.stop());

  for (const [what, method, target, body, headers] of [
    ['a create', 'POST', path, map('v', 'other'), {}],
    ['an update', 'PUT', `${path}/large`, map('w'), {}],
    ['an update that changes nothing', 'PUT', `${path}/large`, map('w'), {}],
    [
      'a patch',
      'PATCH',
      `${path}/large`,
      { metadata: { annotations: { a: 'b' } } },
      { 'content-type': 'application/merge-patch+json' },
    ],
    ['a read', 'GET', `${path}/large`, undefined, {}],
    [
      'a read of its metadata',
      'GET',
      `${path}/large`,
      undefined,
      { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' },
    ],
  ] as const) {
    it(what, async () => {
      const { value, turns } = await turnsDuring(() => server.request(method, target, body, headers));
      assert.ok(value.status < 300, JSON.stringify(value.json).slice(0, 300));
      assert.ok(turns > fewTurns, `${turns} turns`);
    });
  }

  it('an event of a watch', async () => {
    const stop = new AbortController();
    const { resourceVersion } = (await server.request('GET', `${path}/large`)).json.metadata;
    const watch = server.client.resource('configmaps').watch({ namespace: 'default', resourceVersion }, stop.signal);
    const events = watch[Symbol.asyncIterator]();
    const next = events.next();
    await server.request('PUT', `${path}/large`, map('x'));
    const { value, turns } = await turnsDuring(async () => (await next).value);
    assert.equal((value as WatchEvent<ConfigMap>).object.metadata.labels?.['k7'], 'x');
    assert.ok(turns > fewTurns, `${turns} turns`);
    stop.abort();
    await events.return?.();
  });

  for (const [what, selector] of [
    [
      'a label selector with many values',
      `labelSelector=a+in+(${Array.from({ length: 60_000 }, (_, index) => `v${index}`).join()})`,
    ],
    [
      'a label selector with many keys',
      `labelSelector=${Array.from({ length: 50_000 }, (_, index) => `!k${keys + index}`).join()}`,
    ],
    [
      'a field selector with many terms',
      `fieldSelector=${Array.from({ length: 30_000 }, (_, index) => `metadata.name!=v${index}`).join()}`,
    ],
  ] as const) {
    it(what, async () => {
      const { value, turns } = await turnsDuring(() => server.request('GET', `${path}?${selector}`));
      assert.equal(value.status, 200);
      assert.equal(value.json.items.length, what.includes('values') ? 0 : 2);
      assert.ok(turns > 4, `${turns} turns`);
    });
  }
});
