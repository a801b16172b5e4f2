/** The tests that every implementation of {@link Store} must pass. Each implementation's own test file calls them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { CompactedError, FutureRevisionError, type Store, type StoreEvent } from './store.ts';

export interface StoreUnderTest {
  store: Store;
  /** Advances the clock of leases. Absent: the suite waits in real time. */
  advance?: ((byMs: number) => Promise<void>) | undefined;
  /** Closes the store and removes its files. */
  dispose(): Promise<void>;
}

/** Makes a store. It need not be empty, because each test uses its own prefix. */
export type StoreFactory = () => Promise<StoreUnderTest>;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);
const brief = ({ type, revision, entry }: StoreEvent): string => `${type} ${entry.key}=${text(entry.value)}@${revision}`;

/** Writes a key, which must succeed. Resolves to the revision. */
async function put(store: Store, key: string, value: string, expectedRevision?: number): Promise<number> {
  const result = await store.put(key, bytes(value), { expectedRevision });
  assert.equal(result.kind, 'ok');
  return result.revision;
}

/** Collects all batches of a watch until it ends. */
async function collect(watch: ReturnType<Store['watch']>): Promise<{ events: StoreEvent[] }[]> {
  const batches = [];
  for await (const batch of watch) batches.push(batch);
  return batches;
}

/** Reads a watch until `count` events have come. When they do not come, the test fails by its own timeout. */
async function take(store: Store, prefix: string, afterRevision: number, count: number): Promise<StoreEvent[]> {
  const stop = new AbortController();
  const events: StoreEvent[] = [];
  for await (const batch of store.watch(prefix, afterRevision, stop.signal)) {
    for (const event of batch.events) assert.ok(event.revision <= batch.progressRevision, 'progress covers the batch');
    events.push(...batch.events);
    if (events.length >= count) stop.abort();
  }
  return events;
}

export function storeContract(name: string, factory: StoreFactory): void {
  describe(`${name}: store contract`, { timeout: 300_000 }, () => {
    let under: StoreUnderTest;
    let store: Store;
    let nextPrefix = 0;
    const freshPrefix = (): string => `/contract/${nextPrefix++}/`;
    before(async () => {
      under = await factory();
      store = under.store;
    });
    after(() => under.dispose());

    const context: Context = { store: () => store, advance: (byMs) => advance(under, byMs), freshPrefix };
    keysAndRevisions(context);
    ranges(context);
    watches(context);
    leases(context);
    compaction(context);
    concurrency(context);
    model(context);
  });
}

interface Context {
  store(): Store;
  advance(byMs: number): Promise<void>;
  freshPrefix(): string;
}

async function advance(under: StoreUnderTest, byMs: number): Promise<void> {
  if (under.advance !== undefined) await under.advance(byMs);
  else await new Promise((resolve) => setTimeout(resolve, byMs));
}

function keysAndRevisions({ store, freshPrefix }: Context): void {
  describe('keys', () => {
    it('returns no entry for a key that does not exist', async () => {
      assert.equal((await store().get(`${freshPrefix()}none`)).entry, undefined);
    });

    it('counts versions and keeps the creation revision until the key is deleted', async () => {
      const key = `${freshPrefix()}a`;
      const created = await put(store(), key, '1');
      const changed = await put(store(), key, '2');
      assert.deepEqual((await store().get(key)).entry, {
        key,
        value: new Uint8Array(bytes('2')),
        createRevision: created,
        modRevision: changed,
        version: 2,
        lease: 0,
      });
      const gone = await store().delete(key);
      assert.ok(gone.kind === 'ok' && gone.revision === changed + 1 && gone.previous?.version === 2);
      const again = await put(store(), key, '3');
      const { entry } = await store().get(key);
      assert.deepEqual([entry?.createRevision, entry?.version], [again, 1]);
    });

    it('gives every write the next revision, and returns it when the write is durable', async () => {
      const prefix = freshPrefix();
      const revisions = await Promise.all(Array.from({ length: 20 }, (_, index) => put(store(), `${prefix}${index}`, 'x')));
      // Which of several writes under way comes first is the store's choice.
      const first = Math.min(...revisions);
      assert.deepEqual(
        revisions.sort((a, b) => a - b),
        Array.from({ length: 20 }, (_, index) => first + index),
      );
      assert.ok((await store().currentRevision()) >= (revisions.at(-1) ?? 0));
    });

    it('keeps bytes unchanged, also an empty value', async () => {
      const prefix = freshPrefix();
      const all = Uint8Array.from({ length: 256 }, (_, index) => index);
      await store().put(`${prefix}all`, Buffer.from(all));
      await store().put(`${prefix}empty`, new Uint8Array(0));
      assert.deepEqual(Array.from((await store().get(`${prefix}all`)).entry?.value ?? []), Array.from(all));
      assert.equal((await store().get(`${prefix}empty`)).entry?.value.byteLength, 0);
    });

    const guards: [name: string, exists: boolean, expected: (modRevision: number) => number, ok: boolean][] = [
      ['0 on a missing key', false, () => 0, true],
      ['0 on a key that exists', true, () => 0, false],
      ['the right revision', true, (revision) => revision, true],
      ['an older revision', true, (revision) => revision - 1, false],
      ['a revision on a missing key', false, () => 1, false],
    ];
    for (const [title, exists, expected, ok] of guards) {
      it(`put expecting ${title}: ${ok ? 'written' : 'conflict with the current entry'}`, async () => {
        const key = `${freshPrefix()}k`;
        const revision = exists ? await put(store(), key, 'old') : 0;
        const before = await store().currentRevision();
        const result = await store().put(key, bytes('new'), { expectedRevision: expected(revision) });
        assert.equal(result.kind, ok ? 'ok' : 'conflict');
        const state = result.kind === 'ok' ? result.previous : result.current;
        assert.equal(state?.modRevision, exists ? revision : undefined);
        assert.equal(await store().currentRevision(), ok ? before + 1 : before, 'only a change costs a revision');
      });
    }

    it('delete: conflict on another revision, nothing to do on a missing key', async () => {
      const key = `${freshPrefix()}k`;
      assert.deepEqual(await store().delete(key), { kind: 'ok', revision: await store().currentRevision(), previous: undefined });
      const revision = await put(store(), key, 'v');
      const refused = await store().delete(key, { expectedRevision: revision - 1 });
      assert.ok(refused.kind === 'conflict' && refused.current?.modRevision === revision);
      assert.equal((await store().delete(key, { expectedRevision: revision })).kind, 'ok');
      assert.equal((await store().delete(key, { expectedRevision: revision })).kind, 'conflict');
    });
  });
}

function ranges({ store, freshPrefix }: Context): void {
  describe('ranges', () => {
    it('has exactly the keys under the prefix, in byte order', async () => {
      const prefix = freshPrefix();
      for (const name of ['b', 'a/x', 'a', 'é', 'a-x', '\u{1f600}', '\uffee']) await put(store(), prefix + name, name);
      await put(store(), `${prefix.slice(0, -1)}0`, 'outside: the next key after all of the prefix');
      const { entries, count, more } = await store().range({ prefix });
      const expected = ['a', 'a-x', 'a/x', 'b', 'é', '\uffee', '\u{1f600}'].map((name) => prefix + name);
      assert.deepEqual([entries.map(({ key }) => key), count, more], [expected, 7, false]);
    });

    it('has only keys between two, the first included', async () => {
      const prefix = freshPrefix();
      for (const name of ['a', 'b', 'b/x', 'c', 'd']) await put(store(), prefix + name, 'v');
      const names = async (startKey?: string, endKey?: string, limit = 0): Promise<string> => {
        const bounds = { startKey: startKey && prefix + startKey, endKey: endKey && prefix + endKey, limit };
        const { entries, count, more } = await store().range({ prefix, ...bounds });
        return `${entries.map(({ key }) => key.slice(prefix.length)).join()} ${count} ${more}`;
      };
      assert.deepEqual(
        [
          await names('b', 'd'),
          await names(undefined, 'c'),
          await names('b', 'z', 2),
          await names('c', 'b'),
          await names('b', 'b'),
        ],
        ['b,b/x,c 3 false', 'a,b,b/x 3 false', 'b,b/x 4 true', ' 0 false', ' 0 false'],
      );
      assert.equal((await store().range({ prefix, endKey: '0' })).count, 5 * Number('0' > prefix));
    });

    it('pages through one revision while keys are written and deleted', async () => {
      const prefix = freshPrefix();
      for (const name of ['a', 'b', 'c', 'd', 'e']) await put(store(), prefix + name, `${name}1`);
      const first = await store().range({ prefix, limit: 2 });
      await put(store(), `${prefix}c`, 'c2');
      await put(store(), `${prefix}bb`, 'new');
      await store().delete(`${prefix}d`);
      const startKey = `${first.entries.at(-1)?.key}\0`;
      const second = await store().range({ prefix, limit: 2, revision: first.revision, startKey });
      const third = await store().range({ prefix, limit: 2, revision: first.revision, startKey: `${prefix}d\0` });
      const shown = [first, second, third].map(({ entries, count, more }) => [
        entries.map(({ value }) => text(value)).join(),
        count,
        more,
      ]);
      assert.deepEqual(shown, [
        ['a1,b1', 5, true],
        ['c1,d1', 3, true],
        ['e1', 1, false],
      ]);
      assert.equal(second.revision, first.revision);
    });

    it('reads one key as it was at a revision', async () => {
      const key = `${freshPrefix()}k`;
      const first = await put(store(), key, '1');
      const second = await put(store(), key, '2');
      const gone = await store().delete(key);
      assert.deepEqual(
        await Promise.all(
          [first - 1, first, second, gone.revision].map(async (revision) => (await store().get(key, revision)).entry?.version),
        ),
        [undefined, 1, 2, undefined],
      );
    });

    it('refuses a revision in the future', async () => {
      const revision = (await store().currentRevision()) + 1_000;
      await assert.rejects(store().range({ prefix: '/', revision }), FutureRevisionError);
      await assert.rejects(store().get('/x', revision), FutureRevisionError);
    });
  });
}

function watches({ store, freshPrefix }: Context): void {
  describe('watches', () => {
    it('replays from a past revision, then continues live, with each change once', async () => {
      const prefix = freshPrefix();
      const a1 = await put(store(), `${prefix}a`, '1');
      const a2 = await put(store(), `${prefix}a`, '2');
      const watching = take(store(), prefix, a1, 3);
      await put(store(), `${freshPrefix()}other`, 'x');
      const gone = await store().delete(`${prefix}a`);
      const a3 = await put(store(), `${prefix}a`, '3');
      const events = await watching;
      const p = `${prefix}a`;
      assert.deepEqual(events.map(brief), [`put ${p}=2@${a2}`, `delete ${p}=2@${gone.revision}`, `put ${p}=3@${a3}`]);
      assert.deepEqual(
        events.map(({ previous }) => previous?.modRevision),
        [a1, undefined, undefined],
      );
      assert.deepEqual(
        events.map(({ entry }) => entry.modRevision),
        [a2, a2, a3],
      );
    });

    it('reports progress when nothing under the prefix changed', async () => {
      const prefix = freshPrefix();
      const start = await store().currentRevision();
      const stop = new AbortController();
      const seen: number[] = [];
      const watching = (async () => {
        for await (const { events, progressRevision } of store().watch(prefix, start, stop.signal)) {
          assert.equal(events.length, 0);
          seen.push(progressRevision);
          if (progressRevision > start) stop.abort();
        }
      })();
      const revision = await put(store(), `${freshPrefix()}other`, 'x');
      await watching;
      assert.ok((seen.at(-1) ?? 0) >= revision);
    });

    it('resumes where another watch ended', async () => {
      const prefix = freshPrefix();
      const start = await store().currentRevision();
      for (let index = 0; index < 10; index++) await put(store(), `${prefix}${index}`, 'v');
      const first = await take(store(), prefix, start, 4);
      const cut = first[3]?.revision ?? 0;
      const rest = await take(store(), prefix, cut, 6);
      assert.deepEqual(
        rest.map(({ revision }) => revision),
        Array.from({ length: 6 }, (_, index) => cut + 1 + index),
      );
    });

    it('waits for a future revision, and leaves out earlier changes', async () => {
      const prefix = freshPrefix();
      const now = await store().currentRevision();
      const watching = take(store(), prefix, now + 2, 1);
      for (const name of ['a', 'b', 'c']) await put(store(), prefix + name, 'v');
      assert.deepEqual(
        (await watching).map(({ revision }) => revision),
        [now + 3],
      );
    });

    it('ends when its signal aborts, before and while it waits', async () => {
      assert.deepEqual(await collect(store().watch('/', 0, AbortSignal.abort())), []);
      const stop = new AbortController();
      const idle = collect(store().watch(freshPrefix(), await store().currentRevision(), stop.signal));
      stop.abort();
      assert.ok((await idle).every(({ events }) => events.length === 0));
    });

    it('loses nothing for a consumer that falls far behind', async () => {
      const prefix = freshPrefix();
      const start = await store().currentRevision();
      const stop = new AbortController();
      const watch = store().watch(prefix, start, stop.signal)[Symbol.asyncIterator]();
      await watch.next();
      const total = 5_000;
      await Promise.all(Array.from({ length: total }, (_, index) => put(store(), `${prefix}${index % 7}`, `${index}`)));
      const seen: number[] = [];
      while (seen.length < total) {
        const batch = await watch.next();
        assert.ok(batch.done !== true);
        seen.push(...batch.value.events.map(({ revision }) => revision));
      }
      stop.abort();
      assert.deepEqual(
        seen,
        Array.from({ length: total }, (_, index) => start + 1 + index),
      );
    });
  });
}

function leases({ store, advance: move, freshPrefix }: Context): void {
  describe('leases', () => {
    it('deletes the keys of a lease that is not renewed, with events for watchers', async () => {
      const prefix = freshPrefix();
      const lease = await store().grantLease(2);
      const result = await store().put(`${prefix}a`, bytes('v'), { lease });
      await store().put(`${prefix}b`, bytes('v'), { lease });
      await put(store(), `${prefix}free`, 'v');
      const watching = take(store(), prefix, await store().currentRevision(), 2);
      assert.equal((await store().get(`${prefix}a`)).entry?.lease, lease);
      await move(3_000);
      assert.deepEqual(
        (await watching).map(({ type, entry }) => [type, entry.key]),
        [
          ['delete', `${prefix}a`],
          ['delete', `${prefix}b`],
        ],
      );
      assert.deepEqual(
        (await store().range({ prefix })).entries.map(({ key }) => key),
        [`${prefix}free`],
      );
      assert.ok(result.kind === 'ok' && (await store().get(`${prefix}a`, result.revision)).entry !== undefined);
    });

    it('keeps a lease that is renewed', async () => {
      const key = `${freshPrefix()}a`;
      const lease = await store().grantLease(3);
      await store().put(key, bytes('v'), { lease });
      for (let round = 0; round < 3; round++) {
        await move(2_000);
        await store().renewLease(lease);
      }
      assert.ok((await store().get(key)).entry !== undefined);
      await store().revokeLease(lease);
      assert.equal((await store().get(key)).entry, undefined);
    });

    it('detaches a key that is written again without the lease', async () => {
      const key = `${freshPrefix()}a`;
      const lease = await store().grantLease(60);
      await store().put(key, bytes('v'), { lease });
      await put(store(), key, 'w');
      await store().revokeLease(lease);
      assert.equal(text((await store().get(key)).entry?.value ?? bytes('')), 'w');
    });

    it('refuses a lease that does not exist', async () => {
      const unknown = /requested lease not found/;
      await assert.rejects(store().put('/x', bytes(''), { lease: 123_456_789 }), unknown);
      await assert.rejects(store().renewLease(123_456_789), unknown);
      await assert.rejects(store().revokeLease(123_456_789), unknown);
    });
  });
}

function compaction({ store, freshPrefix }: Context): void {
  describe('compaction', () => {
    it('keeps the newest state and every later revision, and refuses older revisions', async () => {
      const prefix = freshPrefix();
      const a1 = await put(store(), `${prefix}a`, '1');
      await put(store(), `${prefix}b`, '1');
      await put(store(), `${prefix}a`, '2');
      await store().delete(`${prefix}b`);
      const at = await store().currentRevision();
      const a3 = await put(store(), `${prefix}a`, '3');
      await store().compact(at);
      assert.equal(store().compactRevision(), at);
      const isCompacted = (error: unknown): boolean => error instanceof CompactedError && error.compactRevision === at;
      await assert.rejects(store().range({ prefix, revision: a1 }), isCompacted);
      await assert.rejects(store().get(`${prefix}a`, a1), isCompacted);
      await assert.rejects(take(store(), prefix, at - 1, 1), isCompacted);
      await assert.rejects(store().compact(at), CompactedError);
      await assert.rejects(store().compact(a3 + 1_000), FutureRevisionError);
      const old = await store().range({ prefix, revision: at });
      assert.deepEqual(
        old.entries.map(({ key, value }) => [key, text(value)]),
        [[`${prefix}a`, '2']],
      );
      const [event] = await take(store(), prefix, at, 1);
      assert.deepEqual([event?.revision, event?.previous && text(event.previous.value)], [a3, '2']);
    });

    it('never uses a revision twice, even when the newest change was a deletion', async () => {
      const key = `${freshPrefix()}k`;
      await put(store(), key, 'v');
      const gone = await store().delete(key);
      await store().compact(gone.revision);
      assert.equal(await put(store(), key, 'v'), gone.revision + 1);
    });
  });
}

function concurrency({ store, freshPrefix }: Context): void {
  describe('concurrent writers', () => {
    it('lets exactly one of many win each compare-and-set', async () => {
      const key = `${freshPrefix()}counter`;
      await put(store(), key, '0');
      const writer = async (): Promise<void> => {
        for (let done = 0; done < 20; ) {
          const { entry } = await store().get(key);
          const next = bytes(String(Number(text(entry?.value ?? bytes('0'))) + 1));
          if ((await store().put(key, next, { expectedRevision: entry?.modRevision ?? 0 })).kind === 'ok') done++;
        }
      };
      await Promise.all(Array.from({ length: 8 }, writer));
      const { entry } = await store().get(key);
      assert.deepEqual([text(entry?.value ?? bytes('')), entry?.version], ['160', 161]);
    });

    it('lets exactly one of many create a key, returns the current entry to the others, and again after a delete', async () => {
      const key = `${freshPrefix()}address`;
      for (let round = 0; round < 3; round++) {
        const results = await Promise.all(
          Array.from({ length: 50 }, (_, index) => store().put(key, bytes(`owner-${index}`), { expectedRevision: 0 })),
        );
        const winners = results.flatMap((result, index) => (result.kind === 'ok' ? [{ ...result, index }] : []));
        assert.equal(winners.length, 1);
        for (const result of results) {
          if (result.kind === 'conflict') assert.equal(result.current?.modRevision, winners[0]?.revision);
        }
        assert.equal(text((await store().get(key)).entry?.value ?? bytes('')), `owner-${winners[0]?.index}`);
        const stale = await store().delete(key, { expectedRevision: (winners[0]?.revision ?? 0) + 1 });
        assert.equal(stale.kind, 'conflict', 'only who names the revision gives it back');
        const deletions = Array.from({ length: 5 }, () => store().delete(key, { expectedRevision: winners[0]?.revision ?? 0 }));
        assert.equal((await Promise.all(deletions)).filter(({ kind }) => kind === 'ok').length, 1);
      }
    });

    it('returns a current revision that covers all acknowledged writes, and watches reach it without another write', async () => {
      const [quiet, busy] = [freshPrefix(), freshPrefix()];
      const start = await store().currentRevision();
      const stop = new AbortController();
      let progress = start;
      const watching = (async () => {
        for await (const batch of store().watch(quiet, start, stop.signal)) {
          progress = Math.max(progress, batch.progressRevision);
          if (progress >= start + 20) return;
        }
      })();
      const written = await Promise.all(Array.from({ length: 20 }, (_, index) => put(store(), `${busy}${index}`, 'x')));
      assert.ok((await store().currentRevision()) >= Math.max(...written));
      await watching;
      stop.abort();
    });

    it('shows every watcher the same order', async () => {
      const prefix = freshPrefix();
      const start = await store().currentRevision();
      const watching = Array.from({ length: 4 }, () => take(store(), prefix, start, 200));
      await Promise.all(Array.from({ length: 200 }, (_, index) => put(store(), `${prefix}${index % 13}`, `${index}`)));
      const [first, ...others] = (await Promise.all(watching)).map((events) => events.map(brief));
      assert.equal(first?.length, 200);
      for (const other of others) assert.deepEqual(other, first);
    });
  });
}

type Step = { do: 'put' | 'delete'; key: number; guess: 'none' | 'right' | 'wrong' };

/** Applies random sequences of writes to the store and to a map with a list. State, history and watch must be equal. */
function model({ store, freshPrefix }: Context): void {
  const step = fc.record<Step>({
    do: fc.constantFrom('put', 'put', 'delete'),
    key: fc.nat({ max: 4 }),
    guess: fc.constantFrom('none', 'right', 'wrong'),
  });
  it('behaves like a map with a history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const prefix = freshPrefix();
        const start = await store().currentRevision();
        const state = new Map<string, number>();
        const history: { revision: number; line: string; state: Map<string, number> }[] = [];
        for (const [index, { do: action, key: name, guess }] of steps.entries()) {
          const key = `${prefix}${name}`;
          const actual = state.get(key) ?? 0;
          const expectedRevision = { none: undefined, right: actual, wrong: actual + 1 }[guess];
          const result =
            action === 'put'
              ? await store().put(key, bytes(`${index}`), { expectedRevision })
              : await store().delete(key, { expectedRevision });
          assert.equal(result.kind, guess === 'wrong' ? 'conflict' : 'ok');
          if (result.kind === 'conflict' || (action === 'delete' && actual === 0)) continue;
          assert.equal(result.revision, (history.at(-1)?.revision ?? start) + 1);
          if (action === 'put') state.set(key, result.revision);
          else state.delete(key);
          history.push({ revision: result.revision, line: `${action} ${key}@${result.revision}`, state: new Map(state) });
        }
        for (const { revision, state: then } of history) {
          const { entries, count } = await store().range({ prefix, revision });
          assert.deepEqual(
            entries.map(({ key, modRevision }) => [key, modRevision]),
            [...then].sort(([a], [b]) => (a < b ? -1 : 1)),
          );
          assert.equal(count, then.size);
        }
        const events = history.length === 0 ? [] : await take(store(), prefix, start, history.length);
        assert.deepEqual(
          events.map(({ type, entry, revision }) => `${type} ${entry.key}@${revision}`),
          history.map(({ line }) => line),
        );
      }),
      { numRuns: 30 },
    );
  });
}
