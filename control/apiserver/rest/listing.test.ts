import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../api-server.testing.ts';

const maps = '/api/v1/namespaces/default/configmaps';
type Named = { metadata: { name: string } };
const names = (list: { items: Named[] }): string[] => list.items.map(({ metadata }) => metadata.name);

describe('lists', () => {
  let api: TestServer;
  let startRevision = '';
  before(async () => {
    api = await startTestServer({ namespaces: ['default', 'other'] });
    for (let index = 0; index < 7; index++) {
      const metadata = { name: `m${index}`, labels: { parity: index % 2 === 0 ? 'even' : 'odd' } };
      await api.request('POST', maps, { apiVersion: 'v1', kind: 'ConfigMap', metadata });
    }
    await api.request('POST', '/api/v1/namespaces/other/configmaps', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'elsewhere' },
    });
    startRevision = (await api.request('GET', maps)).json.metadata.resourceVersion;
  });
  after(() => api.stop());

  it('hold items without kind and apiVersion, in order of namespace and name', async () => {
    const { json } = await api.request('GET', '/api/v1/configmaps');
    assert.deepEqual([json.kind, json.apiVersion], ['ConfigMapList', 'v1']);
    assert.deepEqual(names(json), ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'elsewhere']);
    assert.equal(json.items[0]?.kind, undefined);
  });

  it('refuse a resourceVersion beside a continue token, which has its own', async () => {
    const { json: first } = await api.request('GET', `${maps}?limit=1`);
    const token = (first.metadata as { continue?: string }).continue;
    const { status, json } = await api.request('GET', `${maps}?limit=1&resourceVersion=1&continue=${token}`);
    assert.deepEqual([status, json.message], [400, 'specifying resource version is not allowed when using continue']);
  });

  for (const [query, expected] of [
    ['labelSelector=parity%3Dodd', ['m1', 'm3', 'm5']],
    ['labelSelector=parity%20in%20(even),parity', ['m0', 'm2', 'm4', 'm6']],
    ['fieldSelector=metadata.name%3Dm3', ['m3']],
    ['fieldSelector=metadata.name!%3Dm3&labelSelector=parity%3Dodd', ['m1', 'm5']],
    ['labelSelector=nothing', []],
  ] as [string, string[]][]) {
    it(`select by ${decodeURIComponent(query)}`, async () => {
      assert.deepEqual(names((await api.request('GET', `${maps}?${query}`)).json), expected);
    });
  }

  for (const [query, code, message] of [
    ['labelSelector=a%20b', 400, /found 'b', expected/],
    ['fieldSelector=spec.x%3D1', 400, /"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"/],
    ['limit=x', 400, /parsing "x": invalid syntax/],
    ['resourceVersion=x', 400, /parsing "x": invalid syntax/],
    ['continue=x', 400, /^invalid continue token: continue key is not valid: illegal base64 data at input byte 0$/],
    ['continue=eyJ2IjoieCJ9%3D', 400, /: illegal base64 data at input byte 12$/],
    ['continue=%C3%A9', 400, /: illegal base64 data at input byte 0$/],
    ...(
      [
        ['{', /: unexpected end of JSON input$/],
        ['x', /: invalid character 'x' looking for beginning of value$/],
        ['[]', /: json: cannot unmarshal array into Go value of type storage.continueToken$/],
        ['null', /: server does not recognize this encoded version $/],
        ['{"v":1}', /: json: cannot unmarshal number into Go struct field continueToken.v of type string$/],
        [
          '{"v":"meta.k8s.io/v1","rv":"1"}',
          /: json: cannot unmarshal string into Go struct field continueToken.rv of type int64$/,
        ],
        [
          '{"v":"meta.k8s.io/v1","rv":1.5}',
          /: json: cannot unmarshal number 1.5 into Go struct field continueToken.rv of type int64$/,
        ],
        ['{"v":"meta.k8s.io/v2","rv":1,"start":"a"}', /: server does not recognize this encoded version meta.k8s.io\/v2$/],
        ['{"V":"meta.k8s.io/v1","start":"a"}', /: incorrect encoded start resourceVersion \(version meta.k8s.io\/v1\)$/],
        ['{"v":"meta.k8s.io/v1","rv":1}', /: encoded start key empty \(version meta.k8s.io\/v1\)$/],
        ['{"v":"meta.k8s.io/v1","rv":1,"start":"a/../b"}', /: continue key is not valid: a\/..\/b$/],
        ['{"v":"meta.k8s.io/v1","rv":1,"start":"a//b"}', /: continue key is not valid: a\/\/b$/],
        ['{"v":"meta.k8s.io/v1","rv":1,"start":"a/"}', /: continue key is not valid: a\/$/],
      ] as [string, RegExp][]
    ).map(([json, message]): [string, number, RegExp] => [`continue=${Buffer.from(json).toString('base64url')}`, 400, message]),
    [
      `continue=${Buffer.from('{"v":"meta.k8s.io/v1","rv":9007199254740993,"start":"a"}').toString('base64url')}`,
      504,
      /^Timeout: Too large resource version: 9007199254740993, current: \d+$/,
    ],
    ['resourceVersion=9007199254740993&resourceVersionMatch=Exact', 504, /: 9007199254740993, current: \d+$/],
    ['resourceVersionMatch=Exact', 422, /resourceVersionMatch is forbidden unless resourceVersion is provided/],
    ['resourceVersionMatch=Exact&resourceVersion=0', 422, /is forbidden for resourceVersion "0"/],
    ['sendInitialEvents=true', 422, /sendInitialEvents is forbidden for list/],
  ] as [string, number, RegExp][]) {
    it(`refuse ${decodeURIComponent(query)}`, async () => {
      const { status, json } = await api.request('GET', `${maps}?${query}`);
      assert.equal(status, code);
      assert.match(json.message, message);
    });
  }

  it('come in chunks that show one moment, whatever is written meanwhile', async () => {
    const first = (await api.request('GET', `${maps}?limit=3`)).json;
    assert.deepEqual([names(first), first.metadata.remainingItemCount], [['m0', 'm1', 'm2'], 4]);
    const token = JSON.parse(Buffer.from(first.metadata.continue ?? '', 'base64url').toString('utf8'));
    assert.deepEqual(token, { v: 'meta.k8s.io/v1', rv: Number(first.metadata.resourceVersion), start: 'm2\0' });
    await api.request('POST', maps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm3-later' } });
    await api.request('DELETE', `${maps}/m5`);
    const second = (await api.request('GET', `${maps}?limit=3&continue=${first.metadata.continue}`)).json;
    assert.deepEqual([names(second), second.metadata.remainingItemCount], [['m3', 'm4', 'm5'], 1]);
    assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    const third = (await api.request('GET', `${maps}?limit=3&continue=${second.metadata.continue}`)).json;
    assert.deepEqual([names(third), third.metadata.continue], [['m6'], undefined]);
    assert.deepEqual(names((await api.request('GET', maps)).json), ['m0', 'm1', 'm2', 'm3', 'm3-later', 'm4', 'm6']);
  });

  it('show an old moment exactly', async () => {
    const { json } = await api.request('GET', `${maps}?resourceVersion=${startRevision}&resourceVersionMatch=Exact`);
    assert.deepEqual([json.metadata.resourceVersion, names(json)], [startRevision, ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6']]);
  });

  it('tell no remaining count with a selector', async () => {
    const { json } = await api.request('GET', `${maps}?limit=1&labelSelector=parity`);
    assert.deepEqual([names(json), json.metadata.remainingItemCount], [['m0'], undefined]);
    assert.notEqual(json.metadata.continue, undefined);
  });

  it('answer 410 with an inconsistent token once the chunk revision is compacted away', async () => {
    const first = (await api.request('GET', `${maps}?limit=2`)).json;
    await api.request('POST', maps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mx' } });
    await api.store.compact(await api.store.currentRevision());
    const expired = await api.request('GET', `${maps}?limit=2&continue=${first.metadata.continue}`);
    assert.deepEqual([expired.status, expired.json.reason], [410, 'Expired']);
    assert.match(expired.json.message, /^The provided continue parameter is too old to display a consistent list result/);
    const resumed = await api.request('GET', `${maps}?limit=2&continue=${expired.json.metadata.continue}`);
    assert.deepEqual(names(resumed.json), ['m2', 'm3']);
  });

  it('include every acknowledged write at once', async () => {
    for (let index = 0; index < 30; index++) {
      const { json } = await api.request('POST', maps, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { generateName: 'seen-' },
      });
      const list = await api.request('GET', maps);
      assert.ok(names(list.json).includes(json.metadata.name));
    }
  });

  it('answer 504 for a revision that does not come', async () => {
    const { status, json } = await api.request('GET', `${maps}?resourceVersion=99999999`);
    assert.equal(status, 504);
    assert.match(json.message, /^Timeout: Too large resource version: 99999999, current: \d+$/);
    assert.equal(json.details.causes[0]?.reason, 'ResourceVersionTooLarge');
    const exact = await api.request('GET', `${maps}?resourceVersion=18446744073709551615`);
    assert.match(exact.json.message, /^Timeout: Too large resource version: 18446744073709551615, current: \d+$/);
  });
});
