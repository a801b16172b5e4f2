import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError } from '#api/status.ts';
import { json, status } from './api.testing.ts';
import { FakeClock } from './clock.ts';
import { createClient } from './rest-client.ts';
import { withRetryAfter } from './retry-after.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';

function later(code: number, retryAfter?: string): TransportResponse {
  const refusal = status(code, 'TooManyRequests', 'Too many requests, please try again later.');
  return retryAfter === undefined ? refusal : { ...refusal, headers: { ...refusal.headers, 'retry-after': retryAfter } };
}

/** Answers with the given ones in turn, the last one for ever; tells when each attempt came. */
function server(...answers: (() => TransportResponse)[]) {
  const clock = new FakeClock();
  const attempts: { atMs: number; request: TransportRequest }[] = [];
  const transport = async (request: TransportRequest): Promise<TransportResponse> => {
    attempts.push({ atMs: clock.monotonic(), request });
    const answer = answers[Math.min(attempts.length, answers.length) - 1];
    assert.ok(answer !== undefined);
    return answer();
  };
  return { clock, attempts, transport, times: () => attempts.map(({ atMs }) => atMs) };
}

const get: TransportRequest = { method: 'GET', path: '/api/v1/pods/a', headers: {} };

async function* streamOf(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

describe('an answer that says when to come again', () => {
  const cases: [name: string, refusal: TransportResponse, status: number, timesMs: number[]][] = [
    ['429 with Retry-After: waits as long as told', later(429, '3'), 200, [0, 3000]],
    ['503 with Retry-After', later(503, '1'), 200, [0, 1000]],
    ['500 with Retry-After', later(500, '2'), 200, [0, 2000]],
    ['Retry-After of nothing', later(429, '0'), 200, [0, 0]],
    ['429 without the header is the answer', later(429), 429, [0]],
    ['503 without the header is the answer', later(503), 503, [0]],
    ['a date is not read, as in client-go', later(503, 'Fri, 31 Dec 2027 23:59:59 GMT'), 503, [0]],
    ['409 is the answer, whatever its headers', later(409, '1'), 409, [0]],
  ];
  for (const [name, refusal, code, timesMs] of cases) {
    it(name, async () => {
      const { clock, transport, times } = server(
        () => refusal,
        () => json(200, {}),
      );
      const answered = withRetryAfter(transport, clock)(get);
      await clock.advance(60_000);
      assert.deepEqual([(await answered).status, times()], [code, timesMs]);
    });
  }

  it('is sent again ten times; the eleventh answer is the caller’s, with its text', async () => {
    const { clock, transport, attempts } = server(() => later(429, '1'));
    const client = createClient(transport, { userAgent: 'test', clock });
    const refused = assert.rejects(
      client.resource('pods').get({ namespace: 'ns', name: 'a' }),
      (error) => error instanceof ApiError && error.code === 429 && error.message.startsWith('Too many requests'),
    );
    await clock.advance(60_000);
    await refused;
    assert.equal(attempts.length, 11);
  });

  it('is sent again with the same body', async () => {
    const { clock, transport, attempts } = server(
      () => later(429, '1'),
      () => json(201, {}),
    );
    const client = createClient(transport, { userAgent: 'test', clock });
    const created = client
      .resource('configmaps')
      .create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'ns' }, data: { key: 'value' } });
    await clock.advance(1000);
    await created;
    const [first, second] = attempts.map(({ request }) => new TextDecoder().decode(request.body));
    assert.match(first ?? '', /"value"/);
    assert.equal(second, first);
  });

  it('is not sent again when its body came as a stream', async () => {
    const { clock, transport, attempts } = server(() => later(429, '1'));
    const client = createClient(transport, { userAgent: 'test', clock });
    const { status: code } = await client.raw({ ...get, method: 'POST', stream: streamOf('once') });
    assert.deepEqual([code, attempts.length], [429, 1]);
  });

  it('frees the connection of the refusal before the next attempt', async () => {
    let freed = 0;
    const refusal = (): TransportResponse => ({
      status: 429,
      headers: { 'retry-after': '1' },
      body: (async function* (): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield new Uint8Array(1024);
        } finally {
          freed += 1;
        }
      })(),
    });
    const { clock, transport } = server(refusal, () => json(200, {}));
    const answered = withRetryAfter(transport, clock)(get);
    await clock.advance(1000);
    assert.deepEqual([(await answered).status, freed], [200, 1]);
  });

  it('is sent again where the refusal breaks off', async () => {
    const refusal = (): TransportResponse => ({
      status: 503,
      headers: { 'retry-after': '1' },
      body: (async function* (): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(1);
        throw new Error('the stream broke off');
      })(),
    });
    const { clock, transport } = server(refusal, () => json(200, {}));
    const answered = withRetryAfter(transport, clock)(get);
    await clock.advance(1000);
    assert.equal((await answered).status, 200);
  });
});

describe('the wait', () => {
  it('ends with the request’s own signal, and its reason', async () => {
    const { clock, transport, attempts } = server(() => later(429, '5'));
    const abort = new AbortController();
    const refused = assert.rejects(withRetryAfter(transport, clock)({ ...get, signal: abort.signal }), /no longer wanted/);
    await clock.advance(1000);
    abort.abort(new Error('no longer wanted'));
    await refused;
    assert.equal(attempts.length, 1);
  });

  it('ends with the component: the refusal is the answer, and later requests do not wait', async () => {
    const { clock, transport, attempts } = server(() => later(429, '5'));
    const ended = new AbortController();
    const send = withRetryAfter(transport, clock, ended.signal);
    const waiting = send(get);
    await clock.advance(1000);
    ended.abort();
    assert.equal((await waiting).status, 429);
    assert.equal((await send(get)).status, 429);
    assert.equal(attempts.length, 2);
  });

  it('of a watch ends quietly when the watch is aborted', async () => {
    const { clock, transport } = server(() => later(429, '5'));
    const abort = new AbortController();
    const client = createClient(transport, { userAgent: 'test', clock });
    const events: unknown[] = [];
    const watching = (async () => {
      for await (const event of client.resource('pods').watch({}, abort.signal)) events.push(event);
    })();
    await clock.advance(1000);
    abort.abort();
    await watching;
    assert.deepEqual(events, []);
  });
});
