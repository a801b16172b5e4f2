import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';

describe('NamespaceAutoProvision', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer({ admissionPlugins: { enable: ['NamespaceAutoProvision'], disable: [] } });
  });
  after(async () => await api.stop());
  const create = (namespace: string, name: string, query = '') =>
    api.request('POST', `/api/v1/namespaces/${namespace}/configmaps${query}`, { metadata: { name } });
  const phase = async (namespace: string): Promise<unknown> =>
    (await api.request('GET', `/api/v1/namespaces/${namespace}`)).json.status?.phase;

  it('makes the namespace of what is made first in it', async () => {
    assert.equal((await create('fresh', 'a')).status, 201);
    assert.equal(await phase('fresh'), 'Active');
    assert.equal((await create('fresh', 'b')).status, 201);
  });

  it('makes it once for many at a time', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => create('busy', `m${index}`)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201]);
  });

  it('makes none on a dry run, for updates, and by a bad name', async () => {
    assert.equal((await create('dry', 'a', '?dryRun=All')).status, 404);
    assert.equal((await api.request('GET', '/api/v1/namespaces/dry')).status, 404);
    const put = await api.request('DELETE', '/api/v1/namespaces/gone/configmaps/x');
    assert.equal(put.status, 404);
    assert.equal((await api.request('GET', '/api/v1/namespaces/gone')).status, 404);
    const { status, json } = await create('Not_A_Name', 'a');
    assert.equal(status, 403);
    assert.match(json.message, /^configmaps "a" is forbidden: Namespace "Not_A_Name" is invalid/);
  });
});
