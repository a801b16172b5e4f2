/**
 * `npm run bench -- fanout [--writes=1000] [--writers=8] [--watchers=300] [--tree=<another checkout>] [--prof=<folder>]`: measures how many
 * events reach watchers per CPU-second of the server's process (all its threads, including the writes), and with which delay. It uses
 * ConfigMaps of 2 KB over TLS; the clients run in this process.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { tinkerNodeFlags } from '#lab/program.ts';
import { ServerProcess } from '#test/hostile/server-process.ts';
import { cpuSeconds } from './api/cpu-seconds.ts';
import type { WatchersOptions, WatchersReport } from './fanout/watchers.ts';

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    writes: { type: 'string', default: '1000' },
    writers: { type: 'string', default: '8' },
    watchers: { type: 'string', default: '300' },
    only: { type: 'string', default: '' },
    tree: { type: 'string' },
    prof: { type: 'string' },
  },
});
const writes = Number(values.writes);
const writers = Number(values.writers);
const watchers = Number(values.watchers);
const path = '/api/v1/namespaces/default/configmaps';
const text = 'x'.repeat(1_700);

const crowds: Record<string, Pick<WatchersOptions, 'protocol' | 'connections'>> = {
  'HTTP/2, 10 connections': { protocol: 'h2', connections: 10 },
  'HTTP/2, a connection each': { protocol: 'h2', connections: watchers },
  'HTTP/1.1': { protocol: 'http/1.1', connections: watchers },
};

async function measure(crowd: Pick<WatchersOptions, 'protocol' | 'connections'>): Promise<string> {
  const profiling = values.prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.prof}`];
  const server = await ServerProcess.start([], [...tinkerNodeFlags, ...profiling], values.tree);
  const clients = new Worker(new URL('./fanout/watchers.ts', import.meta.url));
  try {
    const { ca = '', cert = '', key = '' } = server.kubeconfig;
    await put(server, 3 * writes, writers);
    const alone = await cpuOf(server, () => put(server, writes, writers));
    clients.postMessage({
      port: server.port,
      ca,
      cert,
      key,
      path: `${path}?watch=1`,
      watchers,
      ...crowd,
    } satisfies WatchersOptions);
    const { items } = JSON.parse((await server.request('GET', path)).text) as { items: unknown[] };
    await told(clients, watchers * items.length);
    const deliver = async (count: number, atOnce: number, perSecond?: number): Promise<WatchersReport> => {
      await put(server, count, atOnce, perSecond);
      return await told(clients, watchers * count);
    };
    await deliver(writes, writers);
    const busy = await cpuOf(server, () => deliver(writes, writers));
    const calm = await deliver(60, 1, 20);
    const { events, latenciesMs } = busy.result;
    const microsEach = ((busy.cpuSeconds - alone.cpuSeconds) / events) * 1e6;
    return [
      `${Math.round(events / busy.cpuSeconds)} events per CPU-second (${(writes / busy.seconds).toFixed(0)} writes a second`,
      `${((alone.cpuSeconds / writes) * 1e6).toFixed(0)} µs of CPU a write; without the writes ${microsEach.toFixed(1)} µs an event)`,
      `latency ${percentiles(latenciesMs)} ms under load, ${percentiles(calm.latenciesMs)} ms with 20 writes a second`,
    ].join(', ');
  } finally {
    await clients.terminate();
    await server.stop();
  }
}

interface Measured<T> {
  result: T;
  seconds: number;
  cpuSeconds: number;
}

async function cpuOf<T>(server: ServerProcess, work: () => Promise<T>): Promise<Measured<T>> {
  const start = cpuSeconds(server.pid);
  const startMs = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - startMs) / 1_000, cpuSeconds: cpuSeconds(server.pid) - start };
}

/** @param perSecond absent: no limit */
async function put(server: ServerProcess, count: number, atOnce: number, perSecond?: number): Promise<void> {
  let left = count;
  const write = async (index: number): Promise<void> => {
    const name = `map-${index}`;
    while (left-- > 0) {
      const at = String(performance.timeOrigin + performance.now());
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { at, text } };
      let answer = await server.request('PUT', `${path}/${name}`, body);
      if (answer.status === 404) answer = await server.request('POST', path, body);
      if (answer.status >= 300) throw new Error(answer.text);
      if (perSecond !== undefined) await delay(1_000 / perSecond);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, index) => write(index)));
}

const patienceMs = 120_000;

/** Waits until the watchers have received this number of events, and not one more. */
async function told(clients: Worker, count: number): Promise<WatchersReport> {
  const all: WatchersReport = { events: 0, latenciesMs: [] };
  const endMs = performance.now() + patienceMs;
  while (all.events < count && performance.now() < endMs) {
    clients.postMessage('report');
    const [report] = (await once(clients, 'message')) as [WatchersReport];
    all.events += report.events;
    all.latenciesMs.push(...report.latenciesMs);
    await delay(20);
  }
  if (all.events !== count) throw new Error(`the watchers were told of ${all.events} events instead of ${count}`);
  return all;
}

function percentiles(ms: number[]): string {
  const sorted = ms.toSorted((one, other) => one - other);
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(1);
  return `p50 ${at(0.5)} p99 ${at(0.99)}`;
}

for (const [name, crowd] of Object.entries(crowds))
  if (name.includes(values.only)) console.log(`${name}: ${await measure(crowd)}`);
