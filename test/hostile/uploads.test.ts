import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { type ApiServerProcess, startApiServerProcess } from './api-server.ts';

const path = '/api/v1/namespaces/default/configmaps';
const limit = 3 * 1024 * 1024;
/** Limit of bytes in transit beyond those that the server has read: the buffers of both sides. */
const underway = 12 * 1024 * 1024;
const tooLarge = `Request entity too large: limit is ${limit}`;

describe('uploads that are too large or too slow', () => {
  let server: ApiServerProcess;
  before(async () => {
    server = await startApiServerProcess();
  });
  after(() => server.stop());

  const options = (headers: Record<string, string | number>): https.RequestOptions => ({
    host: '127.0.0.1',
    port: server.port,
    path,
    method: 'POST',
    ca: server.ca,
    cert: server.admin.certificate,
    key: server.admin.key,
    agent: false,
    headers: { 'content-type': 'application/json', ...headers },
  });

  /**
   * Sends without end until the connection ends. Resolves to the response and the number of bytes that the server's side
   * accepted.
   */
  async function flood(headers: Record<string, string | number>): Promise<{ status: number; text: string; sent: number }> {
    const request = https.request(options(headers));
    let sent = 0;
    let isOver = false;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    // Writing to a connection that the server has closed is no failure here.
    request.on('error', () => undefined);
    const send = (): void => {
      while (!isOver && sent < 500e6) {
        sent += chunk.length;
        if (!request.write(chunk)) break;
      }
    };
    request.on('drain', send);
    send();
    const [response] = await once(request, 'response');
    const socket = request.socket as TLSSocket;
    let text = '';
    response.on('data', (part: Buffer) => (text += part.toString()));
    const closed = new Promise<void>((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())));
    await Promise.all([once(response, 'end'), closed]);
    isOver = true;
    request.destroy();
    return { status: response.statusCode, text, sent };
  }

  it('are refused unread by their declared length', { timeout: 120_000 }, async () => {
    const { status, text, sent } = await flood({ 'content-length': 500e6 });
    assert.deepEqual([status, JSON.parse(text).message], [413, tooLarge]);
    assert.ok(sent < underway, `${sent} bytes went into the connection`);
  });

  it('are refused over HTTP/1.1 when they pass the limit, and the connection ends', { timeout: 120_000 }, async () => {
    const { status, text, sent } = await flood({ 'transfer-encoding': 'chunked' });
    assert.deepEqual([status, JSON.parse(text).reason], [413, 'RequestEntityTooLarge']);
    assert.ok(sent < limit + underway, `${sent} bytes went into the connection`);
  });

  it('are refused over HTTP/2 with the end of their stream; the connection stays open', { timeout: 120_000 }, async () => {
    const session = http2.connect(`https://127.0.0.1:${server.port}`, {
      ca: server.ca,
      cert: server.admin.certificate,
      key: server.admin.key,
    });
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' });
    stream.on('error', () => undefined);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    const send = (): void => {
      while (!stream.closed && sent < 500e6) {
        sent += chunk.length;
        if (!stream.write(chunk)) break;
      }
    };
    stream.on('drain', send);
    send();
    const [headers] = await once(stream, 'response');
    let text = '';
    stream.on('data', (part: Buffer) => (text += part.toString()));
    await once(stream, 'close');
    assert.deepEqual([headers[':status'], JSON.parse(text).message], [413, tooLarge]);
    assert.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR);
    assert.ok(sent < limit + underway, `${sent} bytes went into the stream`);
    const next = session.request({ ':path': '/livez' });
    const [answer] = await once(next, 'response');
    assert.equal(answer[':status'], 200);
    next.resume();
    session.close();
  });

  it('that stall do not block others, small or large', { timeout: 120_000 }, async () => {
    const slow = Array.from({ length: 8 }, () => {
      const request = https.request(options({ 'content-length': 2_000_000 }));
      request.on('error', () => undefined);
      request.write('{');
      return request;
    });
    let ended = 0;
    for (const request of slow) request.once('close', () => ended++);
    await Promise.all(slow.map((request) => once(request, 'socket')));
    const body = (size: number): string =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'a-' }, data: { a: 'x'.repeat(size) } });
    const small = await server.call('POST', path, body(10), { 'content-type': 'application/json' });
    assert.deepEqual([small.status, ended], [201, 0], 'it waited for none of them');
    const large = await server.call('POST', path, body(900_000), { 'content-type': 'application/json' });
    assert.equal(large.status, 201);
    for (const request of slow) request.destroy();
  });

  it('do not stay in memory', { timeout: 240_000 }, async () => {
    const { rssBytes: before } = await server.report(true);
    const body = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { generateName: 'a-' },
      data: { a: 'x'.repeat(2_900_000) },
    });
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => server.call('POST', path, body, { 'content-type': 'application/json' })),
    );
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [422]);
    const { peakBytes } = await server.report(true);
    assert.ok(peakBytes - before < 300e6, `${Math.round((peakBytes - before) / 1e6)} MB more at the peak`);
  });
});
