/** Three real members: each is killed in turn under load, then two of them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import type { Store } from '../store.ts';
import { EtcdCluster } from './etcd-cluster.testing.ts';
import { createEtcdStore } from './etcd-store.ts';

const prefix = '/registry/load/';
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Writes ever new values of a few keys until it is told to stop. */
class Load {
  /** By key: the newest acknowledged value, and later ones of which it is unknown whether they were written. */
  readonly #keys = new Map<string, { acknowledged: number; possible: Set<number> }>();
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  acknowledged = 0;
  failed: string[] = [];

  constructor(store: Store, writers: number) {
    this.#running = Promise.all(Array.from({ length: writers }, (_, index) => this.#write(store, `${prefix}${index}`)));
  }

  async #write(store: Store, key: string): Promise<void> {
    const state = { acknowledged: 0, possible: new Set<number>() };
    this.#keys.set(key, state);
    for (let value = 1; !this.#stop.signal.aborted; value++) {
      try {
        await store.put(key, Buffer.from(String(value)));
        state.acknowledged = value;
        state.possible.clear();
        this.acknowledged++;
      } catch (error) {
        assert.ok(error instanceof StoreError && error.code === 'unavailable', String(error));
        state.possible.add(value);
        this.failed.push(error.message);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Each key has its newest acknowledged value, or one that may have been written after it. */
  async check(store: Store): Promise<void> {
    for (const [key, { acknowledged, possible }] of this.#keys) {
      const value = Number(Buffer.from((await store.get(key)).entry?.value ?? []).toString());
      assert.ok(value === acknowledged || possible.has(value), `${key} has ${value}, acknowledged was ${acknowledged}`);
    }
  }
}

/** Follows all changes, and checks that each comes once and in order. */
async function follow(store: Store, afterRevision: number, signal: AbortSignal): Promise<number> {
  let [position, count] = [afterRevision, 0];
  for await (const { events, progressRevision } of store.watch('/', afterRevision, signal)) {
    for (const { revision } of events) {
      assert.equal(revision, position + 1, 'each revision once');
      position = revision;
      count++;
    }
    assert.ok(progressRevision >= position);
  }
  return count;
}

describe('three members of etcd', { timeout: 180_000 }, () => {
  let cluster: EtcdCluster;
  let store: Store;
  before(async () => {
    cluster = await EtcdCluster.start({ members: 3 });
    store = await createEtcdStore({ endpoints: cluster.endpoints });
  });
  after(async () => {
    await store.close();
    await cluster.stop();
  });

  it('each is killed in turn under load: no acknowledged write is lost, reads go on, no change is missed or repeated', async () => {
    const stop = new AbortController();
    const following = follow(store, await store.currentRevision(), stop.signal);
    const load = new Load(store, 4);
    const gaps: number[] = [];
    for (const member of [0, 1, 2]) {
      await cluster.kill(member);
      const killed = performance.now();
      await store.currentRevision();
      gaps.push(performance.now() - killed);
      const before = load.acknowledged;
      while (load.acknowledged < before + 20) await wait(20);
      cluster.run(member);
      // It has to catch up before the next one may be killed: two of three are needed.
      await cluster.healthy(member);
    }
    await load.stop();
    await load.check(store);
    const revision = await store.currentRevision();
    await store.put(`${prefix}last`, Buffer.from('x'));
    await wait(500);
    stop.abort();
    const followed = await following;
    assert.ok(followed >= load.acknowledged, `${followed} changes seen, ${load.acknowledged} acknowledged`);
    assert.ok(revision >= load.acknowledged);
    console.log(`reads again after ${gaps.map((ms) => ms.toFixed(0)).join(', ')} ms; ${load.acknowledged} writes`);
    // Upstream's default election timeout is a second, so a new leader is there after one or two; a busy machine gets more.
    assert.ok(Math.max(...gaps) < 8_000, gaps.join());
  });

  it('without a quorum writes fail clearly and in time, reads do not lie; with it all goes on', async () => {
    await store.put(`${prefix}q`, Buffer.from('before'));
    await cluster.kill(0);
    await cluster.kill(1);
    const begun = performance.now();
    const isUnavailable = (error: unknown): boolean => error instanceof StoreError && error.code === 'unavailable';
    await assert.rejects(store.put(`${prefix}q`, Buffer.from('lost')), isUnavailable);
    assert.ok(performance.now() - begun < 30_000, 'within its deadline');
    await assert.rejects(store.get(`${prefix}q`), isUnavailable);
    await assert.rejects(store.range({ prefix }), isUnavailable);
    await assert.rejects(async () => await store.currentRevision(), isUnavailable);
    assert.match(store.problem() ?? '', /etcd/);
    cluster.run(0);
    cluster.run(1);
    await cluster.healthy(0);
    const value = Buffer.from((await store.get(`${prefix}q`)).entry?.value ?? []).toString();
    assert.ok(value === 'before' || value === 'lost', value);
    await store.put(`${prefix}q`, Buffer.from('after'));
    for (let tries = 0; store.problem() !== undefined && tries < 200; tries++) await wait(100);
    assert.equal(store.problem(), undefined);
  });

  it('a member that hangs is left', async () => {
    for (const member of [0, 1, 2]) await cluster.healthy(member);
    const start = await store.currentRevision();
    for (const member of [0, 1, 2]) {
      cluster.signal(member, 'SIGSTOP');
      try {
        const before = await store.currentRevision();
        for await (const { progressRevision } of store.watch('/', start, AbortSignal.timeout(30_000)))
          if (progressRevision >= before) break;
      } finally {
        cluster.signal(member, 'SIGCONT');
      }
      for (const other of [0, 1, 2]) await cluster.healthy(other);
    }
  });
});
