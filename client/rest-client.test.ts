import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError, isExpired, isNotFound } from '#api/status.ts';
import { json, status } from './api.testing.ts';
import { FakeClock } from './clock.ts';
import { createClient, lines } from './rest-client.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';

function recording(answer: TransportResponse | (() => TransportResponse), clock?: FakeClock) {
  const requests: TransportRequest[] = [];
  const client = createClient(
    async (request) => {
      requests.push(request);
      return typeof answer === 'function' ? answer() : answer;
    },
    { userAgent: 'test', ...(clock === undefined ? {} : { clock }) },
  );
  return { client, requests };
}

async function* chunked(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk;
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
} as never;

describe('requests', () => {
  type Call = (client: ReturnType<typeof createClient>) => Promise<unknown>;
  const cases: [string, Call, string, string][] = [
    ['gets a core object', (c) => c.resource('pods').get({ namespace: 'ns', name: 'a' }), 'GET', '/api/v1/namespaces/ns/pods/a'],
    ['gets a cluster-scoped object', (c) => c.resource('nodes').get({ name: 'n1' }), 'GET', '/api/v1/nodes/n1'],
    [
      'gets an object of a group',
      (c) => c.resource('deployments.apps').get({ namespace: 'ns', name: 'a' }),
      'GET',
      '/apis/apps/v1/namespaces/ns/deployments/a',
    ],
    [
      'lists all namespaces',
      (c) => c.resource('pods').list({ labelSelector: 'a=b,c in (d)' }),
      'GET',
      '/api/v1/pods?labelSelector=a%3Db%2Cc+in+%28d%29',
    ],
    [
      'creates in the namespace of the object',
      (c) => c.resource('pods').create(pod, { fieldManager: 'me' }),
      'POST',
      '/api/v1/namespaces/ns/pods?fieldManager=me',
    ],
    ['updates a status', (c) => c.resource('pods').updateStatus(pod), 'PUT', '/api/v1/namespaces/ns/pods/a/status'],
    [
      'binds',
      (c) => c.bind({ apiVersion: 'v1', kind: 'Binding', metadata: { name: 'a', namespace: 'ns' }, target: { name: 'n1' } }),
      'POST',
      '/api/v1/namespaces/ns/pods/a/binding',
    ],
    [
      'applies',
      (c) =>
        c.resource('pods').patch({ namespace: 'ns', name: 'a' }, { type: 'apply', body: {}, fieldManager: 'me', force: true }),
      'PATCH',
      '/api/v1/namespaces/ns/pods/a?fieldManager=me&force=true',
    ],
    [
      'deletes a collection',
      (c) => c.resource('pods').deleteCollection({ namespace: 'ns' }),
      'DELETE',
      '/api/v1/namespaces/ns/pods',
    ],
  ];
  for (const [name, call, method, path] of cases) {
    it(name, async () => {
      const { client, requests } = recording(() => json(200, { metadata: {}, items: [] }));
      await call(client);
      assert.deepEqual([requests[0]?.method, requests[0]?.path], [method, path]);
    });
  }

  it('sends each patch with its content type', async () => {
    const { client, requests } = recording(() => json(200, {}));
    for (const type of ['json', 'merge', 'strategic'] as const)
      await client.resource('pods').patch({ namespace: 'ns', name: 'a' }, { type, body: [] });
    assert.deepEqual(
      requests.map(({ headers }) => headers['content-type']),
      ['application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json'],
    );
  });

  it('never sends the deletion of a nameless object, which would delete all', async () => {
    const { client, requests } = recording(() => json(200, {}));
    await assert.rejects(client.resource('pods').delete({ namespace: 'ns', name: '' }), /needs an object name/);
    assert.equal(requests.length, 0);
  });
});

describe('answers', () => {
  it('gives list items their apiVersion and kind', async () => {
    const { client } = recording(() => json(200, { metadata: { resourceVersion: '7' }, items: [{ metadata: { name: 'a' } }] }));
    const { items } = await client.resource('deployments.apps').list();
    assert.deepEqual([items[0]?.apiVersion, items[0]?.kind], ['apps/v1', 'Deployment']);
  });

  it('takes a null list for an empty one', async () => {
    const { client } = recording(() => json(200, { metadata: {}, items: null }));
    assert.deepEqual((await client.resource('pods').list()).items, []);
  });

  it('rejects with the Status of the server', async () => {
    const { client } = recording(() => status(404, 'NotFound', 'pods "a" not found'));
    await assert.rejects(
      client.resource('pods').get({ namespace: 'ns', name: 'a' }),
      (error) => isNotFound(error) && (error as Error).message === 'pods "a" not found',
    );
  });

  it('makes a Status of an error that is none', async () => {
    const clock = new FakeClock();
    const answer = () => ({ status: 503, headers: { 'retry-after': '3' }, body: chunked('upstream down\n') });
    const { client } = recording(answer, clock);
    let isOver = false;
    const listed = client
      .resource('pods')
      .list()
      .finally(() => (isOver = true));
    listed.catch(() => undefined);
    while (!isOver) await clock.advance(3_000);
    await assert.rejects(listed, (error) => {
      assert.ok(error instanceof ApiError);
      assert.deepEqual(
        [error.code, error.reason, error.message, error.status.details?.retryAfterSeconds],
        [503, 'ServiceUnavailable', 'upstream down', 3],
      );
      return true;
    });
  });
});

describe('watch', () => {
  const frames = [
    '{"type":"ADDED","object":{"metadata":{"name":"ä€𝄞"}}}\n',
    '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}\n',
  ];
  const bytes = new TextEncoder().encode(frames.join(''));

  for (let size = 1; size <= bytes.length; size += size < 8 ? 1 : 17) {
    it(`reads frames from chunks of ${size} bytes`, async () => {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.slice(index * size, (index + 1) * size),
      );
      const { client } = recording(() => ({ status: 200, headers: {}, body: chunked(...chunks) }));
      const events = await collect(client.resource('pods').watch({}, new AbortController().signal));
      assert.deepEqual(
        events.map(({ type, object }) => [type, object.metadata.name ?? object.metadata.resourceVersion]),
        [
          ['ADDED', 'ä€𝄞'],
          ['BOOKMARK', '9'],
        ],
      );
    });
  }

  it('throws the error that comes as a frame', async () => {
    const frame = JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } });
    const { client } = recording(() => ({ status: 200, headers: {}, body: chunked(frame, '\n') }));
    await assert.rejects(collect(client.resource('pods').watch({}, new AbortController().signal)), isExpired);
  });

  it('ends without an error when aborted', async () => {
    const abort = new AbortController();
    const { client } = recording(() => ({
      status: 200,
      headers: {},
      body: (async function* (): AsyncGenerator<Uint8Array> {
        yield bytes;
        throw new Error('aborted');
      })(),
    }));
    const seen: string[] = [];
    for await (const event of client.resource('pods').watch({}, abort.signal)) {
      seen.push(event.type);
      if (seen.length === 2) abort.abort();
    }
    assert.deepEqual(seen, ['ADDED', 'BOOKMARK']);
  });

  it('drops a last frame that the connection cut off', async () => {
    assert.deepEqual(await collect(lines(chunked('{"a":1}\n{"b":'))), ['{"a":1}']);
  });
});
