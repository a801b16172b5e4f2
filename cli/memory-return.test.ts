import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FakeClock } from '#client/clock.ts';
import { returnMemory } from './memory-return.ts';

const mib = 1 << 20;

/** A process whose size and load a test sets. `returned` counts how often memory was returned. */
function fakeProcess() {
  const clock = new FakeClock();
  const state = { residentBytes: 100 * mib, freeBytes: 0, utilization: 0, returned: 0 };
  const deps = {
    clock,
    residentBytes: () => state.residentBytes,
    utilization: () => state.utilization,
    collect: async () => {},
    trim: () => {
      state.returned++;
      state.residentBytes -= state.freeBytes;
      state.freeBytes = 0;
    },
  };
  return { clock, state, deps };
}

describe('returnMemory', () => {
  async function settled() {
    const { clock, state, deps } = fakeProcess();
    const stop = new AbortController();
    const running = returnMemory(deps, stop.signal);
    await clock.advance(300_000);
    state.returned = 0;
    const end = async (): Promise<void> => {
      stop.abort();
      await running;
    };
    return { clock, state, end };
  }

  it('does nothing for a process that has not grown', async () => {
    const { clock, state, end } = await settled();
    state.residentBytes += 10 * mib;
    await clock.advance(3_600_000);
    assert.equal(state.returned, 0);
    await end();
  });

  it('returns memory soon after a load, and again within the next minute and a half', async () => {
    const { clock, state, end } = await settled();
    state.residentBytes = 500 * mib;
    state.freeBytes = 200 * mib;
    await clock.advance(20_000);
    assert.equal(state.residentBytes, 300 * mib);
    state.freeBytes = 190 * mib;
    await clock.advance(20_000);
    assert.equal(state.residentBytes, 110 * mib);
    await clock.advance(600_000);
    assert.ok(state.returned <= 6, `${state.returned} times`);
    await end();
  });

  it('returns memory once a minute during a load', async () => {
    const { clock, state, end } = await settled();
    state.utilization = 0.9;
    state.residentBytes = 500 * mib;
    await clock.advance(300_000);
    assert.ok(state.returned >= 4 && state.returned <= 6, `${state.returned} times`);
    await end();
  });

  it('works from a new size on as from the first', async () => {
    const { clock, state, end } = await settled();
    state.residentBytes = 500 * mib;
    await clock.advance(600_000);
    state.returned = 0;
    await clock.advance(600_000);
    assert.equal(state.returned, 0);
    state.residentBytes = 600 * mib;
    await clock.advance(20_000);
    assert.ok(state.returned > 0);
    await end();
  });
});

describe('the memory of this process', () => {
  it('is returned also from between blocks that stay in use', () => {
    // The program allocates 200 MiB of small blocks and keeps a few in between. glibc alone returns none of the others.
    const program = `
      import { pino } from 'pino';
      import { systemClock } from '#client/clock.ts';
      import { processMemory } from './memory-return.ts';
      const memory = await processMemory(systemClock, pino({ level: 'silent' }));
      let blocks = Array.from({ length: 50_000 }, () => Buffer.allocUnsafeSlow(4_000).fill(1));
      const kept = blocks.filter((_, index) => index % 500 === 499);
      blocks = [];
      const before = memory.residentBytes();
      // V8 frees the blocks in another thread.
      for (let turn = 0; turn < 40 && memory.residentBytes() > before - 100 * 2 ** 20; turn++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 250));
        if (process.argv[1] === 'trim') memory.trim();
      }
      console.log(JSON.stringify({ before, after: memory.residentBytes(), kept: kept.length }));`;
    const argv = ['--no-warnings', '--expose-gc', '--input-type=module', '--eval', program, 'trim'];
    const cwd = fileURLToPath(new URL('.', import.meta.url));
    const { before, after } = JSON.parse(execFileSync(process.execPath, argv, { cwd, encoding: 'utf8' })) as Record<
      string,
      number
    >;
    assert.ok(Number(after) < Number(before) - 100 * mib, `${before} before, ${after} after`);
  });
});
