import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { StoreError } from '#control/store/errors.ts';
import { MemoryStore } from '#control/store/memory.ts';
import type { Store, StoreEntry, StoreEvent } from '#control/store/store.ts';
import { CompactedError } from '#control/store/store.ts';
import { silentLog } from '../serving/server-log.ts';
import { CacheFeed } from './cache-feed.ts';
import { compactionIntervalMs, compactRegularly } from './compaction.ts';

const entry = (name: string, revision: number, text = JSON.stringify({ metadata: { name } })): StoreEntry => ({
  key: `/registry/things/${name}`,
  value: Buffer.from(text),
  createRevision: revision,
  modRevision: revision,
  version: 1,
  lease: 0,
});

type Batch = { events: StoreEvent[]; progressRevision: number };

/** A store whose watch says what the test wants it to, when it wants it. */
function scriptedStore(entries: () => StoreEntry[], revision: () => number) {
  const queue: (Batch | Error)[] = [];
  let wake: () => void = () => {};
  const compacted: number[] = [];
  const store: Partial<Store> = {
    currentRevision: async () => revision(),
    compactRevision: () => compacted.at(-1) ?? 0,
    compact: async (at) => void compacted.push(at),
    range: async () => ({ revision: revision(), entries: entries(), more: false, count: entries().length }),
    async *watch(_prefix, _after, signal) {
      while (!signal.aborted) {
        const next = queue.shift();
        if (next === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
            signal.addEventListener('abort', () => resolve(), { once: true });
          });
          continue;
        }
        if (next instanceof Error) throw next;
        yield next;
      }
    },
  };
  const deliver = (batch: Batch | Error): void => {
    queue.push(batch);
    wake();
  };
  return { store: store as Store, compacted, deliver };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
function* parse(_prefix: string, value: Uint8Array) {
  yield;
  return JSON.parse(Buffer.from(value).toString('utf8'));
}

describe('the cache feed', () => {
  it('reads what there is in pages of one revision at the start, also of a kind that is added meanwhile', async () => {
    const all = ['later', 'things'].flatMap((kind) =>
      Array.from({ length: 1_300 }, (_, index) => {
        const made = entry(`k${String(index).padStart(4, '0')}`, 2);
        return { ...made, key: made.key.replace('things', kind) };
      }),
    );
    const scripted = scriptedStore(
      () => all,
      () => 7,
    );
    const asked: [revision: number | undefined, limit: number | undefined][] = [];
    let read = (): void => {};
    const range: Store['range'] = async ({ startKey = '', limit = 0, revision }) => {
      asked.push([revision, limit]);
      if (asked.length === 2) read();
      const rest = all.filter(({ key }) => key >= startKey);
      return { revision: 7, entries: rest.slice(0, limit), more: rest.length > limit, count: rest.length };
    };
    const store = { ...scripted.store, range };
    const feed = new CacheFeed({ store, clock: new FakeClock(), log: silentLog, decode: parse, kindOf: () => undefined }, [
      '/registry/things',
    ]);
    read = () => void feed.add('/registry/later');
    const stop = new AbortController();
    const running = feed.run(stop.signal);
    await feed.ready;
    for (const kind of ['later', 'things']) {
      const keys = Array.from(feed.cache(`/registry/${kind}`).range(`/registry/${kind}/`), ({ key }) => key);
      assert.deepEqual(
        keys,
        all.map(({ key }) => key).filter((key) => key.startsWith(`/registry/${kind}/`)),
      );
    }
    assert.deepEqual(asked, [
      [0, 1_000],
      [7, 1_000],
      [7, 1_000],
    ]);
    stop.abort();
    await running;
  });

  it('ends with the store: a process that can neither read nor write must not look alive', { timeout: 120_000 }, async () => {
    const scripted = scriptedStore(
      () => [],
      () => 1,
    );
    const feed = new CacheFeed(
      { store: scripted.store, clock: new FakeClock(), log: silentLog, decode: parse, kindOf: () => undefined },
      ['/registry/things'],
    );
    const running = feed.run(new AbortController().signal);
    await feed.ready;
    const watcher = feed.cache('/registry/things').watch(1);
    scripted.deliver(new StoreError('closed', 'store x: its thread has ended'));
    await assert.rejects(running, { code: 'closed' });
    assert.equal(watcher.closed, true);
    await assert.rejects(feed.reach(2), /shutting down/);
  });

  it('reads a large object while others read on, at the revision before it', async () => {
    const scripted = scriptedStore(
      () => [],
      () => 1,
    );
    const large = JSON.stringify({ metadata: { name: 'large' }, data: 'x'.repeat(100_000) });
    let step: () => void = () => {};
    const seen: unknown[] = [];
    function* decode(_prefix: string, value: Uint8Array) {
      yield;
      step();
      yield;
      return JSON.parse(Buffer.from(value).toString('utf8'));
    }
    const deps = { store: scripted.store, clock: new FakeClock(), log: silentLog, decode, kindOf: () => undefined };
    const feed = new CacheFeed(deps, ['/registry/things']);
    const stop = new AbortController();
    const running = feed.run(stop.signal);
    await feed.ready;
    const names = (): string[] => [...feed.cache('/registry/things').range('/registry/things/')].map(({ key }) => key.slice(17));
    const put = (made: StoreEntry): StoreEvent => ({ type: 'put', revision: made.modRevision, entry: made, previous: undefined });
    step = () => {
      seen.push([feed.revision, names()]);
    };
    scripted.deliver({
      events: [put(entry('a', 2)), put(entry('b', 3, large.replace('large', 'b'))), put(entry('c', 4))],
      progressRevision: 4,
    });
    await feed.reach(4);
    assert.deepEqual(names(), ['a', 'b', 'c']);
    // Each of the three is read once; the large one when the first one can be seen, and no other.
    assert.deepEqual(seen, [
      [1, []],
      [2, ['a']],
      [2, ['a', 'b']],
    ]);
    stop.abort();
    await running;
  });

  it('reads everything again when the store no longer knows the revision, and ends the watches', async () => {
    let state = [entry('a', 1)];
    let revision = 1;
    const scripted = scriptedStore(
      () => state,
      () => revision,
    );
    const clock = new FakeClock();
    const feed = new CacheFeed({ store: scripted.store, clock, log: silentLog, decode: parse, kindOf: () => undefined }, [
      '/registry/things',
    ]);
    const stop = new AbortController();
    const running = feed.run(stop.signal);
    await feed.ready;
    const watcher = feed.cache('/registry/things').watch(1);
    state = [entry('b', 9)];
    revision = 9;
    scripted.deliver(new CompactedError(5));
    await clock.advance(1000);
    await feed.fresh();
    assert.deepEqual(
      [...feed.cache('/registry/things').range('/registry/things/')].map(({ key }) => key),
      ['/registry/things/b'],
    );
    assert.equal(watcher.closed, true);
    assert.throws(() => feed.cache('/registry/things').watch(5), /too old resource version: 5 \(9\)/);
    stop.abort();
    await running;
  });

  it('takes in one more prefix while everything goes on: nothing is lost, told twice or shown too early', async () => {
    const later = (name: string, revision: number): StoreEntry => ({ ...entry(name, revision), key: `/registry/later/${name}` });
    const ranges: PromiseWithResolvers<{ revision: number; entries: StoreEntry[] }>[] = [];
    const scripted = scriptedStore(
      () => [],
      () => 1,
    );
    const range = scripted.store.range.bind(scripted.store);
    const store = Object.assign(Object.create(scripted.store) as Store, {
      range: async (options: Parameters<Store['range']>[0]) => {
        if (options.prefix !== '/registry/later/') return await range(options);
        const asked = Promise.withResolvers<{ revision: number; entries: StoreEntry[] }>();
        ranges.push(asked);
        return { ...(await asked.promise), more: false, count: 0 };
      },
    });
    const put = (made: StoreEntry): Batch => ({
      events: [{ type: 'put', revision: made.modRevision, entry: made } as never],
      progressRevision: made.modRevision,
    });
    const feed = new CacheFeed({ store, clock: new FakeClock(), log: silentLog, decode: parse, kindOf: () => undefined }, [
      '/registry/things',
    ]);
    const stop = new AbortController();
    const running = feed.run(stop.signal);
    await feed.ready;
    const watcher = feed.cache('/registry/things').watch(1);
    const adding = feed.add('/registry/later');
    await settled();
    scripted.deliver(put(later('a', 2)));
    await settled();
    // The read is ahead of the stream: of revision 4, when the caches stand at 2.
    ranges[0]?.resolve({ revision: 4, entries: [later('a', 2), later('b', 4)] });
    await settled();
    assert.throws(() => feed.cache('/registry/later'), { code: 404 });
    scripted.deliver(put(entry('x', 3)));
    scripted.deliver(put(later('b', 4)));
    scripted.deliver(put(later('c', 5)));
    await adding;
    await feed.reach(5);
    const cache = feed.cache('/registry/later');
    assert.deepEqual(
      [...cache.range('/registry/later/')].map(({ key, revision }) => `${key} ${revision}`),
      ['/registry/later/a 2', '/registry/later/b 4', '/registry/later/c 5'],
    );
    assert.throws(() => cache.watch(3), /too old resource version: 3 \(4\)/);
    assert.deepEqual(
      cache
        .watch(4)
        .take()
        .map(({ revision }) => revision),
      [5],
    );
    assert.equal(watcher.closed, false);
    assert.deepEqual(
      watcher.take().map(({ revision }) => revision),
      [3],
    );
    await assert.rejects(feed.add('/registry/later'), /already is a watch cache/);

    const own = cache.watch(5);
    feed.remove('/registry/later');
    assert.deepEqual([own.closed, watcher.closed], [true, false]);
    assert.throws(() => feed.cache('/registry/later'), { code: 404 });
    stop.abort();
    await running;
  });

  it('makes a reader wait for what was acknowledged before it asked', async () => {
    let revision = 1;
    const scripted = scriptedStore(
      () => [],
      () => revision,
    );
    const feed = new CacheFeed(
      { store: scripted.store, clock: new FakeClock(), log: silentLog, decode: parse, kindOf: () => undefined },
      ['/registry/things'],
    );
    const stop = new AbortController();
    const running = feed.run(stop.signal);
    await feed.ready;
    revision = 2;
    let fresh = false;
    const reading = feed.fresh().then(() => (fresh = true));
    await settled();
    assert.equal(fresh, false);
    const created = { type: 'put' as const, revision: 2, entry: entry('a', 2), previous: undefined };
    scripted.deliver({ events: [created], progressRevision: 2 });
    await reading;
    assert.equal(feed.cache('/registry/things').get('/registry/things/a')?.object.metadata.resourceVersion, '2');
    stop.abort();
    await running;
  });

  it('leaves out a value that cannot be read, and serves the rest', async () => {
    const scripted = scriptedStore(
      () => [entry('bad', 1, '{'), entry('good', 2)],
      () => 2,
    );
    const feed = new CacheFeed(
      { store: scripted.store, clock: new FakeClock(), log: silentLog, decode: parse, kindOf: () => undefined },
      ['/registry/things'],
    );
    const stop = new AbortController();
    const running = feed.run(stop.signal);
    await feed.ready;
    assert.equal(feed.cache('/registry/things').size, 1);
    stop.abort();
    await running;
  });

  it('turns waiting readers away when it stops', async () => {
    let revision = 1;
    const scripted = scriptedStore(
      () => [],
      () => revision,
    );
    const feed = new CacheFeed(
      { store: scripted.store, clock: new FakeClock(), log: silentLog, decode: parse, kindOf: () => undefined },
      ['/registry/things'],
    );
    const stop = new AbortController();
    const running = feed.run(stop.signal);
    await feed.ready;
    revision = 2;
    const reading = assert.rejects(feed.fresh(), /the server is shutting down/);
    await settled();
    stop.abort();
    await running;
    await reading;
  });
});

describe('compaction', () => {
  it('forgets what is older than an interval, and nothing younger', async () => {
    let revision = 10;
    const scripted = scriptedStore(
      () => [],
      () => revision,
    );
    const clock = new FakeClock();
    const stop = new AbortController();
    const running = compactRegularly(scripted.store, clock, silentLog, compactionIntervalMs, stop.signal);
    revision = 20;
    await clock.advance(compactionIntervalMs);
    assert.deepEqual(scripted.compacted, [10]);
    revision = 30;
    await clock.advance(compactionIntervalMs);
    assert.deepEqual(scripted.compacted, [10, 20]);
    stop.abort();
    await running;
  });

  it('is silent when another server has compacted before it, and goes on when the store does not answer', async () => {
    let revision = 10;
    let silent = false;
    const { store, compacted } = scriptedStore(
      () => [],
      () => revision,
    );
    const clock = new FakeClock();
    const stop = new AbortController();
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_fields: unknown, text?: string) => void warnings.push(text ?? '') } as typeof silentLog;
    const other: Pick<Store, 'currentRevision' | 'compact'> = {
      currentRevision: () => (silent ? new Promise(() => {}) : store.currentRevision()),
      compact: async (at) => {
        if (at === 10) throw new CompactedError(15);
        await store.compact(at);
      },
    };
    const running = compactRegularly({ ...store, ...other }, clock, log, compactionIntervalMs, stop.signal);
    await settled();
    revision = 20;
    await clock.advance(compactionIntervalMs);
    assert.deepEqual([compacted, warnings], [[], []]);
    silent = true;
    await clock.advance(compactionIntervalMs);
    silent = false;
    await clock.advance(10_000);
    assert.deepEqual(warnings, ['the store could not be compacted; trying again later']);
    await clock.advance(compactionIntervalMs);
    assert.deepEqual(compacted, [20]);
    stop.abort();
    await running;
  });

  it('takes turns on a shared store, and takes over from a server that has ended', async () => {
    const clock = new FakeClock();
    const memory = new MemoryStore({ clock });
    await memory.put('/registry/x', new Uint8Array(1));
    const compacted: string[] = [];
    const server = (name: string) => {
      const stop = new AbortController();
      const store = new Proxy(memory, {
        get(target, property) {
          if (property === 'isShared') return true;
          if (property === 'compact')
            return (revision: number) => compacted.push(`${name} ${revision > 0}`) && target.compact(revision);
          const value: unknown = Reflect.get(target, property);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      const running = compactRegularly(store, clock, silentLog, compactionIntervalMs, stop.signal);
      return async () => {
        stop.abort();
        await running;
      };
    };
    const tick = async (): Promise<void> => {
      await memory.put('/registry/x', new Uint8Array(1));
      await clock.advance(compactionIntervalMs);
      await settled();
    };
    const stopFirst = server('first');
    await settled();
    const stopSecond = server('second');
    for (let round = 0; round < 3; round++) await tick();
    assert.deepEqual(compacted, ['first true', 'first true', 'first true']);
    const { entry } = await memory.get('compact_rev_key');
    assert.match(Buffer.from(entry?.value ?? []).toString(), /^[1-9]\d*$/);
    await stopFirst();
    await tick();
    await tick();
    assert.ok(compacted.slice(3).every((line) => line === 'second true') && compacted.length > 3, compacted.join());
    await stopSecond();
  });
});
