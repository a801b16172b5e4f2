import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { decodeProtobuf, decodeWatchEvent, watchFrames } from '#api/codec/protobuf.ts';
import { FakeClock } from '#client/clock.ts';
import { admin, type Loose, startTestServer, type TestServer } from '../api-server.testing.ts';
import { inProcessTransport } from '../in-process-transport.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, labels: Record<string, string> = {}, data = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
  data,
});

interface Frame {
  type: string;
  object: Loose;
}

/** A watch under way; `next()` waits for a frame. */
async function watch(api: TestServer, query: string, headers: Record<string, string> = {}) {
  const stop = new AbortController();
  const transport = inProcessTransport(api.server, admin);
  const response = await transport({ method: 'GET', path: `${maps}?watch=1&${query}`, headers, signal: stop.signal });
  const chunks = response.body[Symbol.asyncIterator]();
  const pending: Frame[] = [];
  const next = async (): Promise<Frame | undefined> => {
    while (pending.length === 0) {
      const { value, done } = await chunks.next();
      if (done === true) return undefined;
      for (const line of Buffer.from(value).toString('utf8').trimEnd().split('\n')) pending.push(JSON.parse(line) as Frame);
    }
    return pending.shift();
  };
  const close = async (): Promise<void> => {
    stop.abort();
    while ((await next()) !== undefined);
  };
  return { response, next, close };
}

const brief = (frame: Frame | undefined): string =>
  frame === undefined ? 'end' : `${frame.type} ${frame.object.metadata?.name ?? frame.object.reason ?? ''}`.trim();

describe('watches', () => {
  let api: TestServer;
  afterEach(() => api.stop());

  it('resume after a resourceVersion without gap or repetition', async () => {
    api = await startTestServer();
    await api.request('POST', maps, configMap('a'));
    const { json } = await api.request('GET', maps);
    await api.request('POST', maps, configMap('b'));
    await api.request('PUT', `${maps}/b`, configMap('b', {}, { x: 'y' }));
    await api.request('DELETE', `${maps}/a`);
    const stream = await watch(api, `resourceVersion=${json.metadata.resourceVersion}`);
    const seen = [await stream.next(), await stream.next(), await stream.next()];
    assert.deepEqual(seen.map(brief), ['ADDED b', 'MODIFIED b', 'DELETED a']);
    const revisions = seen.map((frame) => Number(frame?.object.metadata.resourceVersion));
    assert.deepEqual(
      revisions,
      [...revisions].sort((x, y) => x - y),
    );
    const later = stream.next();
    await api.request('POST', maps, configMap('c'));
    assert.equal(brief(await later), 'ADDED c');
    await stream.close();
  });

  it('begin with the state when no resourceVersion, or 0, is named', async () => {
    api = await startTestServer();
    await api.request('POST', maps, configMap('a'));
    for (const query of ['', 'resourceVersion=0']) {
      const stream = await watch(api, query);
      assert.equal(brief(await stream.next()), 'ADDED a');
      await stream.close();
    }
  });

  it('show an object that begins or ceases to match as added or deleted', async () => {
    api = await startTestServer();
    const { json } = await api.request('GET', maps);
    const stream = await watch(api, `labelSelector=on%3Dyes&resourceVersion=${json.metadata.resourceVersion}`);
    await api.request('POST', maps, configMap('a'));
    await api.request('PUT', `${maps}/a`, configMap('a', { on: 'yes' }));
    const off = await api.request('PUT', `${maps}/a`, configMap('a', { on: 'no' }));
    await api.request('DELETE', `${maps}/a`);
    await api.request('POST', maps, configMap('b', { on: 'yes' }));
    const [added, deleted, last] = [await stream.next(), await stream.next(), await stream.next()];
    assert.deepEqual([added, deleted, last].map(brief), ['ADDED a', 'DELETED a', 'ADDED b']);
    assert.equal(deleted?.object.metadata.resourceVersion, off.json.metadata.resourceVersion);
    await stream.close();
  });

  it('answer 410 in the stream for a resourceVersion that is no longer known', async () => {
    api = await startTestServer({ watchCache: { maxEvents: 4, minEvents: 2 } });
    const { json } = await api.request('GET', maps);
    for (let index = 0; index < 8; index++) await api.request('POST', maps, configMap(`m${index}`));
    await api.request('GET', maps);
    const stream = await watch(api, `resourceVersion=${json.metadata.resourceVersion}`);
    const frame = await stream.next();
    assert.equal(stream.response.status, 200);
    assert.deepEqual([frame?.type, frame?.object.code, frame?.object.reason], ['ERROR', 410, 'Expired']);
    assert.match(frame?.object.message ?? '', /^too old resource version: \d+ \(\d+\)$/);
    assert.equal(await stream.next(), undefined);
  });

  it('stream a list (WatchList): initial events, then the bookmark that ends them', async () => {
    api = await startTestServer();
    await api.request('POST', maps, configMap('a'));
    await api.request('POST', maps, configMap('b'));
    const stream = await watch(api, 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true');
    assert.deepEqual([brief(await stream.next()), brief(await stream.next())], ['ADDED a', 'ADDED b']);
    const bookmark = await stream.next();
    assert.equal(bookmark?.type, 'BOOKMARK');
    assert.equal(bookmark?.object.kind, 'ConfigMap');
    assert.equal(bookmark?.object.metadata.annotations?.['k8s.io/initial-events-end'], 'true');
    await api.request('POST', maps, configMap('c'));
    assert.equal(brief(await stream.next()), 'ADDED c');
    await stream.close();
  });

  it('send a bookmark every minute, at a revision up to which everything was told', async () => {
    const clock = new FakeClock();
    api = await startTestServer({ clock });
    const { json } = await api.request('GET', maps);
    const stream = await watch(api, `allowWatchBookmarks=true&resourceVersion=${json.metadata.resourceVersion}`);
    const first = stream.next();
    await clock.advance(1000);
    await api.request('POST', '/api/v1/namespaces/default/secrets', {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's' },
    });
    const { json: secrets } = await api.request('GET', '/api/v1/secrets');
    await clock.advance(60_000);
    const bookmark = await first;
    assert.equal(bookmark?.type, 'BOOKMARK');
    assert.equal(bookmark?.object.metadata.resourceVersion, secrets.metadata.resourceVersion);
    await stream.close();
  });

  it('end after timeoutSeconds', async () => {
    const clock = new FakeClock();
    api = await startTestServer({ clock });
    const stream = await watch(api, 'timeoutSeconds=5');
    const end = stream.next();
    await clock.advance(5000);
    assert.equal(await end, undefined);
  });

  it('cut off a watcher that does not read', async () => {
    api = await startTestServer({ watchCache: { maxQueuedEvents: 3 } });
    const { json } = await api.request('GET', maps);
    const stream = await watch(api, `resourceVersion=${json.metadata.resourceVersion}`);
    const first = stream.next();
    await api.request('POST', maps, configMap('m0'));
    assert.equal(brief(await first), 'ADDED m0');
    for (let index = 1; index < 8; index++) await api.request('POST', maps, configMap(`m${index}`));
    const frames: string[] = [];
    for (let frame = await stream.next(); frame !== undefined; frame = await stream.next()) frames.push(brief(frame));
    assert.ok(frames.length < 7, `it saw ${frames.length} events and ended`);
  });

  it('end when the server shuts down', async () => {
    api = await startTestServer();
    const stream = await watch(api, '');
    const end = stream.next();
    api.server.beginShutdown();
    assert.equal(await end, undefined);
    assert.equal((await api.request('GET', '/readyz')).status, 500);
    assert.equal((await api.request('GET', '/livez')).text, 'ok');
  });

  it('show Tables: columns with the first frame only', async () => {
    api = await startTestServer();
    await api.request('POST', maps, configMap('a'));
    const stream = await watch(api, '', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    const first = await stream.next();
    assert.equal(first?.object.kind, 'Table');
    assert.equal(first?.object.rows[0]?.cells[0], 'a');
    assert.ok(first?.object.columnDefinitions.length > 0);
    await api.request('POST', maps, configMap('b'));
    assert.equal((await stream.next())?.object.columnDefinitions, null);
    await stream.close();
  });

  it('speak protobuf in frames', async () => {
    api = await startTestServer();
    await api.request('POST', maps, configMap('a'));
    const stop = new AbortController();
    const headers = { accept: 'application/vnd.kubernetes.protobuf;stream=watch,application/json' };
    const response = await inProcessTransport(
      api.server,
      admin,
    )({ method: 'GET', path: `${maps}?watch=1`, headers, signal: stop.signal });
    assert.equal(response.headers['content-type'], 'application/vnd.kubernetes.protobuf;stream=watch');
    for await (const frame of watchFrames(response.body)) {
      const { type, object } = decodeWatchEvent(frame);
      const decoded = decodeProtobuf(object);
      assert.deepEqual([type, decoded.kind, (decoded.object['metadata'] as { name: string }).name], ['ADDED', 'ConfigMap', 'a']);
      stop.abort();
    }
  });

  it('refuse YAML, which has no frames', async () => {
    api = await startTestServer();
    const { status } = await api.request('GET', `${maps}?watch=1`, undefined, { accept: 'application/yaml' });
    assert.equal(status, 406);
  });
});
