import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '#client/clock.ts';
import { openChannels, openSpdy, textOf } from '../streams.testing.ts';
import { terminalSizes } from './stream-request.ts';
import { createStreamingServer, type StreamingServer } from './streaming-server.ts';

const dial = async (url: URL) => connect(Number(url.port), url.hostname);
const nonsense = 'x}{"Width":"wide","Height":24}[1]null}';
const size = '{"Width":80,"Height":24}';

describe('a client of a terminal that writes nonsense as its size', () => {
  let server: StreamingServer;
  let sizes: string[];
  let url: URL;
  let resized: Promise<void>;
  const stdout = () => new PassThrough();
  beforeEach(async () => {
    server = createStreamingServer({ log: pino({ level: 'silent' }), clock: systemClock });
    sizes = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    resized = promise;
    const output = stdout();
    const open = async () => ({
      stdout: output,
      async resize(columns: number, rows: number) {
        sizes.push(`${columns}x${rows}`);
        resolve();
      },
      exited: promise.then(() => {
        output.end('bye');
        return 0;
      }),
      close: () => output.destroy(),
    });
    url = new URL(await server.urlFor('exec', { kind: 'process', stdin: false, stdout: true, stderr: false, tty: true, open }));
  });
  afterEach(() => server.close());

  it('is still served over SPDY', async () => {
    const session = await openSpdy(url, dial, 'v4.channel.k8s.io');
    const error = await session.open({ streamType: 'error' });
    const out = await session.open({ streamType: 'stdout' });
    const resize = await session.open({ streamType: 'resize' });
    resize.write(nonsense);
    resize.write(size);
    await resized;
    assert.deepEqual([await textOf(out), JSON.parse(await textOf(error)).status], ['bye', 'Success']);
    assert.deepEqual(sizes, ['80x24']);
    await session.close();
  });

  it('is still served over a WebSocket', async () => {
    const channels = await openChannels(url, dial);
    channels.write(4, nonsense);
    channels.write(4, size);
    await channels.closed;
    assert.deepEqual([JSON.parse(channels.text(3)).status, sizes], ['Success', ['80x24']]);
  });
});

describe('terminal sizes', () => {
  it('come in one piece or several', () => {
    const { sizes, rest } = terminalSizes(`${size}\n${size}{"Width":1`);
    assert.deepEqual(sizes, [
      { columns: 80, rows: 24 },
      { columns: 80, rows: 24 },
    ]);
    assert.deepEqual(terminalSizes(`${rest},"Height":2}`), { sizes: [{ columns: 1, rows: 2 }], rest: '' });
  });
  it('have a limit of unparsed text', () => assert.equal(terminalSizes('x'.repeat(1000)).rest, ''));
});
