/**
 * The simulation itself: seeds decide everything, and many of them violate nothing. `npm run sim` does more.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { runSeeds, SimulationThread, seedsFrom } from './pool.ts';

const threads = Math.max(2, Math.min(4, availableParallelism()));
/** `TINKER_SIM_SEEDS=1000`: just so many seeds, however long that takes. Otherwise as many as the time allows, and some in any case. */
const wanted = Number(process.env['TINKER_SIM_SEEDS'] ?? 0);
const [fewest, most, budgetMs] = wanted > 0 ? [wanted, wanted, 0] : [20, 1000, 20_000];

describe('a simulated world', () => {
  let pool: SimulationThread[];
  before(() => {
    pool = Array.from({ length: threads }, () => new SimulationThread());
  });
  after(() => Promise.all(pool.map((thread) => thread.stop())));
  const [one, other] = [() => pool[0] as SimulationThread, () => pool[1] as SimulationThread];

  it('is decided by its seed: the same trace in another thread, and after other worlds', async () => {
    const [first] = await Promise.all([one().run('1'), other().run('7')]);
    assert.deepEqual(await other().run('1'), first);
    assert.notEqual((await other().run('2')).hash, first.hash);
  });

  it('tells its trace line by line, which is what its hash is of', async () => {
    const lines: string[] = [];
    const outcome = await one().run('3', (line) => lines.push(line));
    assert.ok(lines.length > outcome.writes, `${lines.length} lines`);
    assert.ok(lines.some((line) => line.includes('put /registry/pods/')));
    assert.equal((await one().run('3')).hash, outcome.hash);
  });

  it('violates no invariant, whatever its seed', { timeout: 3_600_000 }, async (context) => {
    const violations: string[] = [];
    const startMs = performance.now();
    let run = 0;
    await runSeeds(seedsFrom(1, most), {
      threads: pool,
      ended: ({ seed, violation }) => {
        run += 1;
        if (violation !== undefined) violations.push(`npm run sim -- --seed ${seed}: ${violation.invariant}: ${violation.what}`);
        return run >= fewest && performance.now() - startMs > budgetMs;
      },
    });
    assert.ok(run >= fewest);
    context.diagnostic(`${run} seeds in ${Math.round((performance.now() - startMs) / 1000)} s`);
    assert.deepEqual(violations, []);
  });
});
