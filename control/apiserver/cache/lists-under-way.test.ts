/** What lists, watches and windows may hold together, in bytes. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ApiError } from '#api/status.ts';
import { admin, startTestServer, type TestServer } from '../api-server.testing.ts';
import { inProcessTransport } from '../in-process-transport.ts';
import { bytesResponse } from '../rest/responses.ts';
import { ListsUnderWay } from './lists-under-way.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const secrets = '/api/v1/namespaces/default/secrets';
const kib = 1024;
const configMap = (name: string, bytes: number, fill = 'x') => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data: { text: fill.repeat(bytes) },
});

describe('lists under way', () => {
  const limits = { maxOwnBytes: 1_000, maxOutdatedBytes: 500 };
  const never = new AbortController().signal;

  it('hold so many bytes of their own, and one alone any number', () => {
    const lists = new ListsUnderWay(limits);
    const [first, second] = [lists.begin(), lists.begin()];
    first.addOwn(5_000);
    assert.throws(
      () => second.addOwn(1),
      (error) => error instanceof ApiError && error.status.code === 429 && error.status.details?.retryAfterSeconds === 1,
    );
    first.end();
    first.end();
    second.addOwn(900);
    assert.equal(lists.ownBytes, 900);
    second.end();
    assert.deepEqual([lists.ownBytes, lists.count], [0, 0]);
  });

  it('end when their answer has been taken, is given up before or after its beginning, or its client leaves', async () => {
    const lists = new ListsUnderWay(limits);
    const answer = (signal = never) => {
      const list = lists.begin();
      list.addOwn(100);
      return list.answer(bytesResponse(200, 'text/plain', Buffer.from('all')), signal);
    };
    const { body: taken } = answer();
    for await (const piece of taken) assert.equal(piece.length, 3);
    assert.equal(lists.count, 0);
    for await (const _ of answer().body) break;
    assert.equal(lists.count, 0);
    await answer().body[Symbol.asyncIterator]().return?.();
    assert.equal(lists.count, 0);
    const leaving = new AbortController();
    answer(leaving.signal);
    leaving.abort();
    assert.equal(lists.count, 0);
    answer(leaving.signal);
    assert.deepEqual([lists.ownBytes, lists.count], [0, 0]);
  });

  it('are cut off when they alone hold too much that has changed', async () => {
    const lists = new ListsUnderWay(limits);
    const { body, over } = lists.begin().answer(bytesResponse(200, 'text/plain', Buffer.from('all')), never);
    lists.outdated(300);
    const later = lists.begin();
    lists.outdated(300);
    assert.equal(over?.aborted, true);
    await assert.rejects(async () => await body[Symbol.asyncIterator]().next(), /too long/);
    assert.equal(lists.count, 1);
    later.end();
  });
});

describe('bounds in bytes', () => {
  let api: TestServer;
  let clients = new AbortController();
  afterEach(async () => {
    clients.abort();
    clients = new AbortController();
    await api.stop();
  });

  const list = async (path: string, headers: Record<string, string> = {}) => {
    const transport = inProcessTransport(api.server, admin);
    return await transport({ method: 'GET', path, headers, signal: clients.signal });
  };
  /** The first piece; the rest is not wanted. */
  const begin = async (path: string): Promise<string> => {
    for await (const piece of (await list(path)).body) return Buffer.from(piece).toString('utf8');
    return '';
  };

  it('hold for all windows together: the oldest changes go first, whichever kind', async () => {
    api = await startTestServer({ watchCache: { maxTotalBytes: 64 * kib } });
    const { json } = await api.request('GET', maps);
    const from = String(json.metadata.resourceVersion);
    await api.request('POST', secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } });
    for (let index = 0; index < 12; index++) await api.request('POST', maps, configMap(`m${index}`, 8 * kib));
    const { json: now } = await api.request('GET', maps);
    await api.request('POST', maps, configMap('last', 1));
    // The Secret's change is older than all that are left of ConfigMaps, so it has gone as well.
    for (const path of [maps, secrets]) assert.match(await begin(`${path}?watch=1&resourceVersion=${from}`), /"code":410/, path);
    assert.match(await begin(`${maps}?watch=1&resourceVersion=${String(now.metadata.resourceVersion)}`), /"last"/);
  });

  it('hold for the state that a watch has not told yet: it is cut off when the window has left it behind', async () => {
    api = await startTestServer({ watchCache: { maxTotalBytes: 64 * kib } });
    for (let index = 0; index < 100; index++) await api.request('POST', maps, configMap(`m${index}`, 1 * kib));
    const { body, over } = await list(`${maps}?watch=1&resourceVersion=0`);
    const pieces = body[Symbol.asyncIterator]();
    await pieces.next();
    for (let index = 0; index < 100; index++) await api.request('PUT', `${maps}/m${index}`, configMap(`m${index}`, 1 * kib, 'y'));
    assert.equal(over?.aborted, true);
    await pieces.return?.();
  });

  it('hold for lists of an older moment, whose objects nobody shares', async () => {
    api = await startTestServer({ watchCache: { maxListBytes: 4_000 * kib } });
    const count = 25;
    for (let index = 0; index < count; index++) await api.request('POST', maps, configMap(`m${index}`, 100 * kib));
    const { json } = await api.request('GET', `${maps}?limit=1`);
    const exact = `${maps}?resourceVersionMatch=Exact&resourceVersion=${String(json.metadata.resourceVersion)}`;
    for (let index = 0; index < count; index++) await api.request('DELETE', `${maps}/m${index}`);
    const first = await list(exact);
    const pieces = first.body[Symbol.asyncIterator]();
    await pieces.next();
    const refused = await list(exact);
    assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '1']);
    await pieces.return?.();
    const again = await list(exact, { 'accept-encoding': 'gzip' });
    assert.equal(again.status, 200);
    for await (const _ of again.body);
    const later = await api.request('GET', exact);
    assert.equal(later.json.items.length, count);
  });
});
