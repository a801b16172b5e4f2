import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLeftOutReporter } from '#client/left-out.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';

const told: string[] = [];
const events = { event: (...[, , , message]: [unknown, string, string, string]) => void told.push(message) };

describe('stored values that cannot be read', () => {
  let api: TestServer;
  const leftOut = createLeftOutReporter({ events, log: { warn: () => undefined } });
  before(async () => {
    api = await startTestServer({ deps: { leftOut } });
    await api.request('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'good' }, data: { a: 'b' } });
    await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    await api.request('POST', '/api/v1/namespaces/default/pods', {
      metadata: { name: 'good' },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
  });
  after(() => api.stop());

  const meta = (name: string) => `"metadata":{"name":"${name}","namespace":"default","uid":"u-${name}"}`;
  const bad: [what: string, key: string, value: string][] = [
    ['no JSON', 'pods/default/bad1', '{'],
    ['null', 'pods/default/bad2', 'null'],
    ['a list', 'pods/default/bad3', '[]'],
    ['no metadata', 'pods/default/bad4', '{"kind":"Pod"}'],
    ['metadata null', 'pods/default/bad5', '{"metadata":null}'],
    ['fields of another type', 'pods/default/bad6', `{${meta('bad6')},"spec":{"containers":"none"}}`],
    ['a quantity that is none', 'pods/default/bad7', `{${meta('bad7')},"spec":{"overhead":{"cpu":"x"}}}`],
    ['another’s name', 'pods/default/bad8', `{${meta('good')},"spec":{}}`],
    ['no UTF-8', 'configmaps/default/bad9', '\u0000\u00ff'],
    ['a Service without a spec list', 'services/specs/default/bad10', `{${meta('bad10')},"spec":{"ports":7}}`],
  ];
  for (const [what, key, value] of bad) {
    it(`${what}: told, left out of every list and form, and the others are served`, async () => {
      await api.store.put(`/registry/${key}`, Buffer.from(value, 'latin1'));
      const name = key.split('/').at(-1) ?? '';
      const path = key.startsWith('services') ? 'services' : (key.split('/')[0] ?? '');
      for (const accept of [
        'application/json',
        'application/vnd.kubernetes.protobuf',
        'application/json;as=Table;v=v1;g=meta.k8s.io',
        'application/yaml',
      ]) {
        const list = await api.request('GET', `/api/v1/${path}`, undefined, { accept });
        assert.deepEqual([list.status, list.text.includes(name)], [200, false], accept);
        if (path !== 'services') assert.ok(list.text.includes('good'), accept);
      }
      const one = await api.request('GET', `/api/v1/namespaces/default/${path}/${name}`);
      assert.deepEqual([one.status, /is not transformable or decodable/.test(one.json.message)], [500, true]);
      assert.ok(told.some((message) => message.includes(`/registry/${key} cannot be decoded`)));
    });
  }

  it('are counted, and can be deleted on purpose only', async () => {
    assert.equal(
      leftOut.counts().reduce((sum, { count }) => sum + count, 0),
      bad.length,
    );
    const path = '/api/v1/namespaces/default/pods/bad1';
    assert.equal((await api.request('DELETE', path)).status, 500);
    const body = { ignoreStoreReadErrorWithClusterBreakingPotential: true };
    assert.equal((await api.request('DELETE', path, body)).status, 200);
    assert.equal((await api.request('GET', path)).status, 404);
    assert.equal(
      leftOut.counts().reduce((sum, { count }) => sum + count, 0),
      bad.length - 1,
    );
    const again = { metadata: { name: 'bad1' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    assert.equal((await api.request('POST', '/api/v1/namespaces/default/pods', again)).status, 201);
  });

  it('can be replaced by another that is written whole', async () => {
    await api.store.put(
      '/registry/pods/default/bad2',
      Buffer.from(`{"apiVersion":"v1","kind":"Pod",${meta('bad2')},"spec":{"containers":[]}}`),
    );
    assert.equal((await api.request('GET', '/api/v1/namespaces/default/pods/bad2')).status, 200);
  });
});
