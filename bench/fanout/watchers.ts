/** A thread of `bench/fanout.ts`: watchers of ConfigMaps that count events and measure the delay of some of them. */
import { connect as connectHttp2 } from 'node:http2';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';

export interface WatchersOptions {
  port: number;
  ca: string;
  cert: string;
  key: string;
  path: string;
  /** With `http/1.1`, each watcher has its own connection. */
  protocol: 'h2' | 'http/1.1';
  watchers: number;
  /** Number of HTTP/2 connections, shared evenly. */
  connections: number;
}

/** Counts since the last report. */
export interface WatchersReport {
  events: number;
  latenciesMs: number[];
}

/** Number of watchers that parse their events. */
const sampled = 5;
/** Matches `data.at`, which `bench/fanout.ts` writes. */
const writtenAt = /"at":"([\d.]+)"/;

const report: WatchersReport = { events: 0, latenciesMs: [] };
const newline = 0x0a;

function count(stream: Readable, isSampled: boolean): void {
  let rest = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    let begin = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, begin)) {
      report.events++;
      if (isSampled) look(Buffer.concat([rest, chunk.subarray(begin, at)]));
      rest = rest.subarray(0, 0);
      begin = at + 1;
    }
    if (isSampled) rest = Buffer.concat([rest, chunk.subarray(begin)]);
  });
  stream.on('end', () => fail(new Error('a watch ended')));
}

function look(line: Buffer): void {
  const found = writtenAt.exec(line.toString('latin1'))?.[1];
  if (found !== undefined) report.latenciesMs.push(performance.timeOrigin + performance.now() - Number(found));
}

function fail(error: Error): void {
  throw error;
}

async function watch(options: WatchersOptions): Promise<void> {
  const { port, path, ca, cert, key, watchers, connections } = options;
  if (options.protocol === 'http/1.1') {
    for (let index = 0; index < watchers; index++) {
      const request = https.get({ host: '127.0.0.1', port, path, ca, cert, key, agent: false }, (response) =>
        count(response, index < sampled),
      );
      request.on('error', fail);
      if (index % 20 === 0) await delay(20);
    }
    return;
  }
  for (let index = 0; index < connections; index++) {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, cert, key, settings: { initialWindowSize: 4 << 20 } });
    session.on('error', fail);
    // As Go's client does: a large connection window, so that one slow stream does not block the others.
    session.on('connect', () => session.setLocalWindowSize(1 << 30));
    for (let stream = index; stream < watchers; stream += connections)
      count(session.request({ ':path': path }), stream < sampled);
    if (index % 20 === 0) await delay(20);
  }
}

parentPort?.on('message', (message: WatchersOptions | 'report') => {
  if (message !== 'report') return void watch(message);
  parentPort?.postMessage({ ...report });
  report.events = 0;
  report.latenciesMs = [];
});
