import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { MemoryStore } from './memory.ts';
import { storeContract } from './store.contract.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

storeContract('memory', async () => {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  return { store, advance: (byMs) => clock.advance(byMs), dispose: () => store.close() };
});

describe('the store in memory', () => {
  it('begins with the snapshot of another, and goes its own way', async () => {
    const first = new MemoryStore({ clock: new FakeClock() });
    await first.put('/b', bytes('1'));
    await first.put('/a', bytes('2'));
    const from = first.snapshot();
    await first.delete('/a');
    const second = new MemoryStore({ clock: new FakeClock(), from });
    assert.deepEqual(
      (await second.range({ prefix: '/' })).entries.map(({ key }) => key),
      ['/a', '/b'],
    );
    assert.equal((await second.put('/c', bytes('3'))).revision, 3);
    assert.equal((await first.get('/c')).entry, undefined);
    assert.equal((await second.get('/c', 2)).entry, undefined);
  });

  it('tells of a change before the writer hears of it, and does nothing where the gate throws', async () => {
    const told: string[] = [];
    let isOpen = true;
    const store = new MemoryStore({
      clock: new FakeClock(),
      committed: ({ type, entry }) => told.push(`${type} ${entry.key}`),
      gate: ({ op, key }) => {
        if (!isOpen) throw new Error(`no ${op} of ${key}`);
      },
    });
    await store.put('/a', bytes('1')).then(() => told.push('written'));
    isOpen = false;
    await assert.rejects(store.delete('/a'), /no delete of \/a/);
    assert.deepEqual(told, ['put /a', 'written']);
    assert.notEqual((await store.get('/a')).entry, undefined);
  });
});
