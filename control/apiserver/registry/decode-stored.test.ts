import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { encodeProtobuf } from '#api/codec/protobuf.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';

/** Upstream's servers store protobuf; what they have stored is served as if we had. */
describe('values that another API server stored as protobuf', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
  });
  after(() => api.stop());

  const metadata = { name: 'theirs', namespace: 'default', uid: 'u-1', creationTimestamp: '2026-01-01T00:00:00Z' };
  const cases: [what: string, prefix: string, path: string, type: string, apiVersion: string, kind: string, rest: object][] = [
    ['a ConfigMap', 'configmaps', '/api/v1/', 'core/v1.ConfigMap', 'v1', 'ConfigMap', { data: { a: 'b' } }],
    [
      'a Deployment',
      'deployments',
      '/apis/apps/v1/',
      'apps/v1.Deployment',
      'apps/v1',
      'Deployment',
      {
        spec: {
          replicas: 3,
          selector: { matchLabels: { app: 'web' } },
          template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
      },
    ],
  ];
  for (const [what, plural, path, type, apiVersion, kind, rest] of cases) {
    it(`${what}: read, listed, changed; our own form is written then`, async () => {
      const key = `/registry/${plural}/default/theirs`;
      await api.store.put(key, encodeProtobuf({ metadata, ...rest }, type, { apiVersion, kind }));
      const url = `${path}namespaces/default/${plural}`;
      const one = await api.request('GET', `${url}/theirs`);
      assert.equal(one.status, 200, one.text);
      assert.deepEqual([one.json.kind, one.json.apiVersion, one.json.metadata.uid], [kind, apiVersion, 'u-1']);
      assert.partialDeepStrictEqual(JSON.parse(one.text), rest);
      assert.equal((await api.request('GET', url)).json.items.length, 1);
      const patch = { metadata: { labels: { ours: 'yes' } } };
      const changed = await api.request('PATCH', `${url}/theirs`, patch, { 'content-type': 'application/merge-patch+json' });
      assert.equal(changed.status, 200, changed.text);
      const { entry } = await api.store.get(key);
      assert.equal(JSON.parse(Buffer.from(entry?.value ?? []).toString()).metadata.labels.ours, 'yes');
    });
  }

  it('another kind, or broken bytes: left out, not served as something else', async () => {
    const secret = encodeProtobuf({ metadata: { ...metadata, name: 'wrong' } }, 'core/v1.Secret', {
      apiVersion: 'v1',
      kind: 'Secret',
    });
    await api.store.put('/registry/configmaps/default/wrong', secret);
    await api.store.put(
      '/registry/configmaps/default/broken',
      Buffer.concat([Buffer.from('k8s\0'), Buffer.of(0xff, 0xff, 0x07)]),
    );
    for (const name of ['wrong', 'broken']) {
      const answer = await api.request('GET', `/api/v1/namespaces/default/configmaps/${name}`);
      assert.deepEqual([answer.status, /not transformable or decodable/.test(answer.json.message)], [500, true], name);
    }
    assert.equal((await api.request('GET', '/api/v1/configmaps')).json.items.length, 1);
  });
});
