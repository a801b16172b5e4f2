import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Slots } from './slots.ts';

it('runs so many at a time, the others in their order, also after failures', async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const running = [0, 1, 2, 3].map((index) =>
    slots.run(async () => {
      begun.push(index);
      ends[index] = Promise.withResolvers();
      await ends[index].promise;
    }),
  );
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  await settled();
  assert.deepEqual(begun, [0, 1]);
  ends[1]?.reject(new Error('failed'));
  await assert.rejects(running[1] ?? Promise.resolve(), /failed/);
  await settled();
  assert.deepEqual(begun, [0, 1, 2]);
  ends[0]?.resolve();
  ends[2]?.resolve();
  await settled();
  ends[3]?.resolve();
  await Promise.all([running[0], running[2], running[3]]);
  assert.deepEqual(begun, [0, 1, 2, 3]);
});
