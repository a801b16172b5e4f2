import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ComponentStatus } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { startTestServer, type TestServer } from '../../../api-server.testing.ts';
import { row } from '../../columns.testing.ts';
import { componentStatusColumns } from './columns.ts';
import { ComponentChecks } from './component-checks.ts';

const shown = (statuses: readonly ComponentStatus[]): unknown[] =>
  statuses.map((one) => Object.values(row(componentStatusColumns, one)));

describe('component checks', () => {
  it('say of each part whether it is well, by name', async () => {
    const checks = new ComponentChecks(new FakeClock());
    checks.add('b', () => undefined);
    checks.add('a', async () => 'the disk is full');
    checks.add('c', async () => {
      throw new Error('gone');
    });
    assert.deepEqual(shown(await checks.statuses()), [
      ['a', 'Unhealthy', '', 'the disk is full'],
      ['b', 'Healthy', 'ok', ''],
      ['c', 'Unhealthy', '', 'gone'],
    ]);
  });

  it('do not wait for ever', async () => {
    const clock = new FakeClock();
    const checks = new ComponentChecks(clock);
    checks.add('hung', () => new Promise(() => undefined));
    const statuses = checks.statuses();
    await clock.advance(20_000);
    const [hung] = await statuses;
    assert.deepEqual(hung?.conditions, [{ type: 'Healthy', status: 'Unknown', error: 'no answer within 20 seconds' }]);
  });

  it('show nothing of a part that says nothing', () => {
    assert.deepEqual(row(componentStatusColumns, { metadata: { name: 'x' } } as ComponentStatus), {
      Name: 'x',
      Status: 'Unknown',
      Message: '',
      Error: '',
    });
  });
});

describe('the API of ComponentStatuses', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
  });
  after(() => api.stop());
  const path = '/api/v1/componentstatuses';

  it('lists what the checks say, with the warning of a deprecated kind', async () => {
    const { status, json, headers } = await api.request('GET', path);
    assert.deepEqual([status, json.kind, json.metadata], [200, 'ComponentStatusList', {}]);
    assert.match(headers['warning'] ?? '', /299 - "v1 ComponentStatus is deprecated in v1\.19\+"/);
    assert.deepEqual(
      json.items.map(({ metadata, conditions }) => [metadata.name, conditions]),
      [['etcd-0', [{ type: 'Healthy', status: 'True', message: 'ok' }]]],
    );
    assert.equal((await api.request('GET', `${path}?labelSelector=a%3Db`)).json.items.length, 0);
    assert.equal((await api.request('GET', `${path}?fieldSelector=metadata.name%3Detcd-0`)).json.items.length, 1);
    assert.equal((await api.request('GET', `${path}?fieldSelector=metadata.name%3Dother`)).json.items.length, 0);
  });

  it('gives one of them, in every form', async () => {
    const { json } = await api.request('GET', `${path}/etcd-0`);
    assert.deepEqual([json.kind, json.metadata.name], ['ComponentStatus', 'etcd-0']);
    const table = await api.request('GET', path, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    assert.deepEqual(table.json.rows[0]?.cells, ['etcd-0', 'Healthy', 'ok', '']);
    assert.equal((await api.request('GET', path, undefined, { accept: 'application/vnd.kubernetes.protobuf' })).status, 200);
    const missing = await api.request('GET', `${path}/nothing`);
    assert.deepEqual([missing.status, missing.json.message], [404, 'componentstatus "nothing" not found']);
  });

  it('allows nothing but reading, and discovery says so', async () => {
    for (const [method, at] of [
      ['POST', path],
      ['DELETE', `${path}/etcd-0`],
      ['PUT', `${path}/etcd-0`],
      ['DELETE', path],
    ] as const)
      assert.equal((await api.request(method, at, method === 'DELETE' ? undefined : {})).status, 405, `${method} ${at}`);
    assert.equal((await api.request('GET', `${path}?watch=1`)).status, 405);
    const { resources } = (await api.request('GET', '/api/v1')).json as unknown as { resources: Record<string, unknown>[] };
    assert.deepEqual(
      resources.find(({ name }) => name === 'componentstatuses'),
      {
        name: 'componentstatuses',
        singularName: 'componentstatus',
        namespaced: false,
        kind: 'ComponentStatus',
        verbs: ['get', 'list'],
        shortNames: ['cs'],
      },
    );
  });
});
