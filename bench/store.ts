/**
 * `npm run bench -- store [folder]`: measures writes per second and latency, watch fan-out, and memory: of the embedded store, and of etcd with
 * one member and three where it is installed. It reports and does not assert.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EtcdCluster } from '#control/store/etcd/etcd-cluster.testing.ts';
import { createEtcdStore } from '#control/store/etcd/etcd-store.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';

const WRITE_MS = 3_000;
const VALUE_BYTES = 2_000;
const WATCHERS = 100;

const quantile = (sorted: number[], q: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0).toFixed(2);

async function writes(store: Store, writers: number): Promise<void> {
  const value = new Uint8Array(VALUE_BYTES);
  const latencies: number[] = [];
  const start = performance.now();
  const writer = async (name: number): Promise<void> => {
    for (let n = 0; performance.now() - start < WRITE_MS; n++) {
      const began = performance.now();
      await store.put(`/registry/bench/w${name}/${n % 200}`, value);
      latencies.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, index) => writer(index)));
  const seconds = (performance.now() - start) / 1_000;
  latencies.sort((a, b) => a - b);
  const perSecond = (latencies.length / seconds).toFixed(0);
  console.log(
    `${String(writers).padStart(3)} writers: ${perSecond.padStart(6)} writes/s, p50 ${quantile(latencies, 0.5)} ms, p99 ${quantile(latencies, 0.99)} ms`,
  );
}

/** Measures the time from the request of a write until the last watcher has received it. */
async function fanOut(store: Store): Promise<void> {
  const stop = new AbortController();
  let waiting = 0;
  let last: () => void = () => undefined;
  const start = await store.currentRevision();
  const watchers = Array.from({ length: WATCHERS }, async () => {
    for await (const { events } of store.watch('/registry/fan/', start, stop.signal)) {
      for (const _ of events) if (--waiting === 0) last();
    }
  });
  const latencies: number[] = [];
  for (let n = 0; n < 500; n++) {
    waiting = WATCHERS;
    const everyone = new Promise<void>((resolve) => {
      last = resolve;
    });
    const began = performance.now();
    await Promise.all([store.put('/registry/fan/key', new Uint8Array(VALUE_BYTES)), everyone]);
    latencies.push(performance.now() - began);
  }
  stop.abort();
  await Promise.all(watchers);
  latencies.sort((a, b) => a - b);
  console.log(
    `fan-out to ${WATCHERS} watchers: p50 ${quantile(latencies, 0.5)} ms, p99 ${quantile(latencies, 0.99)} ms (commit included)`,
  );
}

async function reads(store: Store): Promise<void> {
  const began = performance.now();
  const { entries } = await store.range({ prefix: '/registry/' });
  console.log(`range of ${entries.length} keys: ${(performance.now() - began).toFixed(1)} ms`);
  const newest = await store.currentRevision();
  const compacting = performance.now();
  await store.compact(newest);
  console.log(`compaction of ${newest} revisions: ${(performance.now() - compacting).toFixed(0)} ms`);
}

async function measure(name: string, store: Store): Promise<void> {
  console.log(`\n${name}: ${rss()}`);
  try {
    for (const writers of [1, 8, 64]) await writes(store, writers);
    await fanOut(store);
    await reads(store);
    console.log(`at the end: ${rss()}`);
  } finally {
    await store.close();
  }
}

async function measureEtcd(members: number): Promise<void> {
  const cluster = await EtcdCluster.start({ members, folder: directory });
  try {
    const name = `etcd, ${members} member${members === 1 ? '' : 's'} on this machine`;
    await measure(name, await createEtcdStore({ endpoints: cluster.endpoints }));
  } finally {
    await cluster.stop();
  }
}

const directory = mkdtempSync(join(process.argv[3] ?? tmpdir(), 'tinkernetes-bench-'));
const rss = (): string => `${(process.memoryUsage().rss / (1 << 20)).toFixed(0)} MiB resident`;
try {
  console.log(`values of ${VALUE_BYTES} bytes on ${directory}`);
  await measure('the embedded store', await createSqliteStore({ path: join(directory, 'store.db') }));
  if (existsSync('/usr/bin/etcd')) for (const members of [1, 3]) await measureEtcd(members);
  else console.log("\netcd: not measured, for Debian's etcd-server is not installed");
} finally {
  rmSync(directory, { recursive: true, force: true });
}
