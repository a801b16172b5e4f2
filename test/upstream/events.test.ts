/** What upstream's conformance tests assert of events, in both of their groups. Source: kubernetes `test/e2e/instrumentation/{core_events,events}.go`. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';

const namespace = 'default';
let api: TestServer;
before(async () => {
  api = await startTestServer();
});
after(() => api.stop());

interface Answer {
  metadata: { name: string; resourceVersion: string; managedFields?: unknown };
  items: Answer[];
  message: string;
  note: string;
  series: { count: number };
}

async function call(
  method: string,
  path: string,
  body?: object,
  type = 'application/json',
): Promise<{ status: number; json: Answer }> {
  const { status, json } = await api.request(method, path, body, { 'content-type': type });
  return { status, json: json as unknown as Answer };
}

/** The two groups in which the same events are seen. */
const views: [
  group: string,
  root: string,
  make: (name: string, labels: Record<string, string>) => object,
  text: 'message' | 'note',
][] = [
  [
    'the core group',
    '/api/v1',
    (name, labels) => ({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, labels },
      message: 'This is a test event',
      reason: 'Test',
      type: 'Normal',
      count: 1,
      involvedObject: { namespace },
    }),
    'message',
  ],
  [
    'events.k8s.io',
    '/apis/events.k8s.io/v1',
    (name, labels) => ({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, labels },
      regarding: { namespace },
      eventTime: '2017-09-19T13:49:16.000000Z',
      note: 'This is a test event',
      reason: 'Test',
      type: 'Normal',
      action: 'Do',
      reportingController: 'test-controller',
      reportingInstance: 'test-node',
    }),
    'note',
  ],
];
for (const [group, root, make, text] of views)
  describe(`events of ${group}`, () => {
    const path = `${root}/namespaces/${namespace}/events`;
    const named = (list: Answer): string[] => list.items.map(({ metadata }) => metadata.name);

    it('are made, listed, patched, updated, read and deleted', async () => {
      const label = `life-${text}`;
      const created = await call('POST', path, make(label, { testevent: label }));
      assert.equal(created.status, 201);
      for (const where of [`${root}/events`, path])
        assert.deepEqual(named((await call('GET', `${where}?labelSelector=testevent%3D${label}`)).json), [label]);
      if (text === 'note') {
        const byController = `${path}?fieldSelector=reportingController%3Dtest-controller`;
        assert.deepEqual(named((await call('GET', byController)).json), [label]);
        const bySource = `/api/v1/namespaces/${namespace}/events?fieldSelector=source%3Dtest-controller`;
        assert.deepEqual(named((await call('GET', bySource)).json), [label]);
      }
      const patch = { [text]: 'This is a test event - patched' };
      const patched = await call('PATCH', `${path}/${label}`, patch, 'application/strategic-merge-patch+json');
      if (text === 'message') {
        assert.equal(patched.status, 200);
        assert.equal(patched.json.message, 'This is a test event - patched');
      } else {
        // An event of this group changes its series alone.
        assert.equal(patched.status, 422);
        const series = { series: { count: 2, lastObservedTime: '2017-09-19T13:49:16.000000Z' } };
        const counted = await call('PATCH', `${path}/${label}`, series, 'application/merge-patch+json');
        assert.deepEqual([counted.status, counted.json.series.count], [200, 2]);
        assert.ok(BigInt(counted.json.metadata.resourceVersion) > BigInt(created.json.metadata.resourceVersion));
      }
      const { managedFields: _, resourceVersion: __, ...metadata } = (await call('GET', `${path}/${label}`)).json.metadata;
      const { json: found } = await call('GET', `${path}/${label}`);
      const series = { count: 100, lastObservedTime: '2017-09-19T13:49:16.000000Z' };
      const updated = await call('PUT', `${path}/${label}`, { ...found, metadata, series });
      assert.equal(updated.status, 200);
      const { json: read } = await call('GET', `${path}/${label}`);
      const { metadata: ___, ...rest } = read;
      const { metadata: ____, ...sent } = found;
      assert.deepEqual(rest, { ...sent, series });
      assert.equal((await call('DELETE', `${path}/${label}`)).status, 200);
      assert.deepEqual(named((await call('GET', `${root}/events?labelSelector=testevent%3D${label}`)).json), []);
    });

    it('are deleted as a collection', async () => {
      const labels = { 'testevent-set': text };
      for (const name of ['one', 'two', 'three'])
        assert.equal((await call('POST', path, make(`${text}-${name}`, labels))).status, 201);
      const selected = `${path}?labelSelector=testevent-set%3D${text}`;
      assert.equal((await call('GET', selected)).json.items.length, 3);
      assert.equal((await call('DELETE', selected)).status, 200);
      assert.equal((await call('GET', selected)).json.items.length, 0);
    });
  });
