import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../../../api-server.testing.ts';

/** Resources that need a quota, on an API server. */
describe('limited resources', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer({
      admissionPlugins: { enable: [], disable: ['ServiceAccount'] },
      admissionSettings: {
        limitedResources: [
          { group: '', resource: 'configmaps', matchContains: ['count/configmaps'], matchScopes: [] },
          {
            group: '',
            resource: 'pods',
            matchContains: [],
            matchScopes: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }],
          },
        ],
      },
    });
    for (const name of ['high', 'low'])
      await api.request('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', {
        apiVersion: 'scheduling.k8s.io/v1',
        kind: 'PriorityClass',
        metadata: { name },
        value: 1,
      });
  });
  after(() => api.stop());

  const at = (plural: string): string => `/api/v1/namespaces/default/${plural}`;
  const make = (plural: string, kind: string, name: string, rest: object = {}) =>
    api.request('POST', at(plural), { apiVersion: 'v1', kind, metadata: { name }, ...rest });
  const pod = (name: string, priorityClassName: string) =>
    make('pods', 'Pod', name, { spec: { priorityClassName, containers: [{ name: 'c', image: 'i' }] } });
  async function quota(name: string, hard: Record<string, string>, more: object = {}): Promise<void> {
    const made = await make('resourcequotas', 'ResourceQuota', name, { spec: { hard, ...more } });
    const used = Object.fromEntries(Object.keys(hard).map((key) => [key, '0']));
    const counted = await api.request('PUT', `${at('resourcequotas')}/${name}/status`, { ...made.json, status: { hard, used } });
    assert.equal(counted.status, 200, counted.text);
  }

  it('are refused where no quota counts them, and admitted where one does', async () => {
    const refused = await make('configmaps', 'ConfigMap', 'a');
    assert.deepEqual(
      [refused.status, refused.json.message],
      [403, 'configmaps "a" is forbidden: insufficient quota to consume: count/configmaps'],
    );
    await quota('others', { secrets: '1' });
    assert.equal((await make('configmaps', 'ConfigMap', 'a')).status, 403);
    await quota('maps', { 'count/configmaps': '1' });
    assert.equal((await make('configmaps', 'ConfigMap', 'a')).status, 201);
    assert.match((await make('configmaps', 'ConfigMap', 'b')).json.message, /exceeded quota: maps/);
  });

  it('are refused by scope', async () => {
    assert.equal((await pod('low', 'low')).status, 201);
    const refused = await pod('high', 'high');
    assert.equal(refused.status, 403);
    assert.match(refused.json.message, /insufficient quota to match these scopes: \[\{PriorityClass In \[high\]\}\]/);
    const scopeSelector = { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] };
    await quota('important', { pods: '1' }, { scopeSelector });
    assert.equal((await pod('high', 'high')).status, 201);
  });
});
