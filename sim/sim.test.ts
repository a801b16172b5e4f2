/**
 * The simulation itself: seeds decide everything, and many of them violate nothing. `npm run sim` does more.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { runSeeds, SimulationThread, seedsFrom } from './pool.ts';

const threads = Math.min(4, availableParallelism());
/** So many seeds every run of the tests looks at. `TINKER_SIM_SEEDS=1000`: more of them. */
const seeds = Number(process.env['TINKER_SIM_SEEDS'] ?? 60);

describe('a simulated world', () => {
  let one: SimulationThread;
  let other: SimulationThread;
  before(() => {
    one = new SimulationThread();
    other = new SimulationThread();
  });
  after(async () => {
    await one.stop();
    await other.stop();
  });

  it('is decided by its seed: the same trace in another thread, and after other worlds', async () => {
    const first = await one.run('1');
    await other.run('7');
    const again = await other.run('1');
    assert.deepEqual(again, first);
    assert.notEqual((await other.run('2')).hash, first.hash);
  });

  it('tells its trace line by line, which is what its hash is of', async () => {
    const lines: string[] = [];
    const outcome = await one.run('3', (line) => lines.push(line));
    assert.ok(lines.length > outcome.writes, `${lines.length} lines`);
    assert.ok(lines.some((line) => line.includes('put /registry/pods/')));
    assert.equal((await one.run('3')).hash, outcome.hash);
  });
});

describe('many worlds', () => {
  it('violate no invariant', { timeout: 3_600_000 }, async () => {
    const violations: string[] = [];
    let run = 0;
    await runSeeds(seedsFrom(1, seeds), {
      threads,
      ended: ({ seed, violation }) => {
        run += 1;
        if (violation !== undefined) violations.push(`npm run sim -- --seed ${seed}: ${violation.invariant}: ${violation.what}`);
      },
    });
    assert.equal(run, seeds);
    assert.deepEqual(violations, []);
  });
});
