import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { RevisionAsker, revisionDeadlineMs } from './revision-asker.ts';

/** A store on the network: each call waits until the test answers it. */
function slowStore() {
  const calls: PromiseWithResolvers<number>[] = [];
  const currentRevision = (): Promise<number> => {
    const call = Promise.withResolvers<number>();
    calls.push(call);
    return call.promise;
  };
  return { currentRevision, calls };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('asking the store for its newest revision', () => {
  it('gathers all who ask during a call into the next one, and never gives them the answer of the first', async () => {
    const store = slowStore();
    const asker = new RevisionAsker(store, new FakeClock());
    const first = asker.ask();
    const later = Array.from({ length: 1000 }, async () => await asker.ask());
    await settled();
    assert.equal(store.calls.length, 1);
    store.calls[0]?.resolve(7);
    assert.equal(await first, 7);
    await settled();
    assert.equal(store.calls.length, 2, 'one call for a thousand');
    const third = asker.ask();
    store.calls[1]?.resolve(9);
    assert.deepEqual(new Set(await Promise.all(later)), new Set([9]));
    await settled();
    store.calls[2]?.resolve(12);
    assert.equal(await third, 12, 'asked after the second call began');
    const fourth = asker.ask();
    assert.equal(store.calls.length, 4, 'nobody asks: the next call begins at once');
    store.calls[3]?.resolve(13);
    assert.equal(await fourth, 13);
  });

  it('tells a failed call to those who shared it, and asks anew for the others', async () => {
    const store = slowStore();
    const asker = new RevisionAsker(store, new FakeClock());
    const failing = assert.rejects(async () => await asker.ask(), /no leader/);
    const waiting = asker.ask();
    store.calls[0]?.reject(new Error('etcdserver: no leader'));
    await failing;
    await settled();
    store.calls[1]?.resolve(3);
    assert.equal(await waiting, 3);
  });

  it('waits for nothing where the store knows its revision', () => {
    let revision = 1;
    const asker = new RevisionAsker({ currentRevision: () => revision++ }, new FakeClock());
    assert.deepEqual([asker.ask(), asker.ask()], [1, 2], 'each asks anew');
  });

  it('does not wait for ever for a store that does not answer', async () => {
    const store = slowStore();
    const clock = new FakeClock();
    const asker = new RevisionAsker(store, clock);
    const asking = assert.rejects(async () => await asker.ask(), { name: 'StoreError', code: 'unavailable' });
    await clock.advance(revisionDeadlineMs);
    await asking;
    const again = asker.ask();
    store.calls[1]?.resolve(5);
    assert.equal(await again, 5);
  });
});
