import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { createSyncRunner } from './sync-runner.ts';

const options = { minIntervalMs: 1000, retryIntervalMs: 30_000, maxIntervalMs: 3_600_000 };

/** The times of the syncs since the start, in milliseconds. */
async function record(
  script: (runner: { request(): void; clock: FakeClock }) => Promise<void>,
  results: boolean[] = [],
): Promise<number[]> {
  const clock = new FakeClock(0);
  const times: number[] = [];
  const abort = new AbortController();
  const runner = createSyncRunner(
    clock,
    () => {
      times.push(clock.now());
      return Promise.resolve(results.shift() ?? true);
    },
    options,
  );
  const running = runner.run(abort.signal);
  await script({ request: () => runner.request(), clock });
  abort.abort();
  await running;
  return times;
}

describe('createSyncRunner', () => {
  it('runs two requests after a pause at once, and merges further ones within the interval', async () => {
    const times = await record(async ({ request, clock }) => {
      await clock.advance(500);
      request();
      await clock.advance(100);
      request();
      await clock.advance(100);
      request();
      request();
      await clock.advance(5000);
      request();
      await clock.advance(1);
    });
    assert.deepEqual(times, [500, 600, 1500, 5700]);
  });

  it('runs once in a minimum interval while requests keep coming', async () => {
    const times = await record(async ({ request, clock }) => {
      for (let round = 0; round < 60; round++) {
        request();
        await clock.advance(100);
      }
    });
    assert.ok(times.length <= 8, String(times));
    for (const [index, time] of times.entries()) if (index > 2) assert.equal(time - Number(times[index - 1]), 1000);
  });

  it('runs without a request after the maximum interval', async () => {
    assert.deepEqual(await record(({ clock }) => clock.advance(7_300_000)), [3_600_000, 7_200_000]);
  });

  it('tries again after a failure', async () => {
    const times = await record(
      async ({ request, clock }) => {
        request();
        await clock.advance(70_000);
      },
      [false, false],
    );
    assert.deepEqual(times, [0, 30_000, 60_000]);
  });

  it('runs early when something changes after a failure', async () => {
    const times = await record(
      async ({ request, clock }) => {
        request();
        await clock.advance(5000);
        request();
        await clock.advance(1);
      },
      [false],
    );
    assert.deepEqual(times, [0, 5000]);
  });
});
