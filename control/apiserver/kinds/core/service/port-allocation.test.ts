import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Store } from '#control/store/store.ts';
import { type AllocationStore, openAllocationStore } from './allocator.testing.ts';
import { decodeBits, encodeBits, PortAllocation, type PortPlan } from './port-allocation.ts';

describe('the bits of a RangeAllocation', () => {
  // As Go's big.Int writes them: the highest byte first, none that is zero in front.
  for (const [bits, bytes] of [
    [[], []],
    [[0], [0x01]],
    [[7], [0x80]],
    [[8], [0x01, 0x00]],
    [
      [0, 1, 9, 20],
      [0x10, 0x02, 0x03],
    ],
    [[2767], [0x80, ...Array.from({ length: 345 }, () => 0)]],
  ] as const) {
    it(`${JSON.stringify(bits)} are ${bytes.length} bytes`, () => {
      const data = Buffer.from(bytes).toString('base64');
      assert.equal(encodeBits(bits), data);
      assert.deepEqual(decodeBits(data), bits);
    });
  }
});

describe('changes of the taken ports', () => {
  let taken: AllocationStore;
  let writes = 0;
  let store: Pick<Store, 'get' | 'put'>;
  const range = { first: 30_000, last: 30_009 };
  const take =
    (port: number): PortPlan<number> =>
    (ports) => {
      if (ports.has(port)) throw new Error(`${port} is taken`);
      return { take: [port], release: [], result: port };
    };
  before(async () => {
    taken = await openAllocationStore();
    store = {
      get: (key) => taken.store.get(key),
      put: (...args) => {
        writes++;
        return taken.store.put(...args);
      },
    };
  });
  after(() => taken.close());
  beforeEach(async () => {
    await taken.clear();
    await taken.allocator({ nodePortRange: range });
    writes = 0;
  });

  it('asked for at the same time, are written together; one that fails spoils no other', async () => {
    const ports = new PortAllocation(range, store);
    const outcomes = await Promise.allSettled([1, 2, 3, 4, 3, 5].map((index) => ports.change(take(30_000 + index))));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    );
    assert.ok(writes <= 2, `${writes} writes`);
    assert.deepEqual([...(await ports.read()).taken], [30_001, 30_002, 30_003, 30_004, 30_005]);
  });

  it('are refused only by what is true now, not by what this server remembers', async () => {
    const [mine, theirs] = [new PortAllocation(range, store), new PortAllocation(range, store)];
    await mine.change(take(30_001));
    await theirs.change(() => ({ take: [], release: [30_001], result: undefined }));
    assert.equal(await mine.change(take(30_001)), 30_001);
    await assert.rejects(theirs.change(take(30_001)), /30001 is taken/);
  });

  it('are refused before the first repair, and by a server with another range', async () => {
    await assert.rejects(
      new PortAllocation({ first: 30_000, last: 30_100 }, store).change(take(30_050)),
      /the provided range does not match the current range/,
    );
    await taken.clear();
    await assert.rejects(
      new PortAllocation(range, store).change(take(30_001)),
      /cannot allocate resources of type servicenodeportallocations at this time/,
    );
  });
});
