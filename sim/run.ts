/**
 * `npm run sim`: runs simulated worlds of the control plane.
 *
 *   npm run sim                        a hundred seeds; --seeds N: so many; --from S: from this one on
 *   npm run sim -- --seed S            one world, told step by step; --step: waits for Enter at each step
 *   npm run sim -- --hours H           new seeds for H hours
 *   npm run sim -- --defects           plants each known kind of defect, and reports which are found; --defect NAME: one of them
 *
 * Ends with status 1 where an invariant was violated. Each violation is told with the seed that shows it again.
 */

import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { reportDefects } from './defects/report.ts';
import { runSeeds, SimulationThread, seedsFrom } from './pool.ts';
import type { Outcome } from './world.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    step: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    hours: { type: 'string' },
    threads: { type: 'string', default: String(Math.min(8, availableParallelism())) },
    defects: { type: 'boolean', default: false },
    defect: { type: 'string' },
  },
});

const threads = number('threads');
if (values.seed !== undefined) process.exitCode = await follow(values.seed);
else if (values.defects)
  process.exitCode = await reportDefects({ threads, seeds: number('seeds'), only: values.defect?.split(','), tell: console.log });
else process.exitCode = await runMany(values.hours === undefined ? undefined : number('hours'));

function number(name: 'threads' | 'seeds' | 'from' | 'hours'): number {
  const value = Number(values[name]);
  if (Number.isFinite(value) && value > 0) return value;
  console.error(`--${name} wants a number above 0, not "${values[name]}"`);
  process.exit(2);
}

/** One world, line by line. */
async function follow(seed: string): Promise<number> {
  const thread = new SimulationThread({ defect: values.defect });
  const lines: string[] = [];
  const outcome = await thread.run(seed, (line) => (values.step ? lines.push(line) : console.log(line)));
  await thread.stop();
  if (values.step) await page(lines);
  console.log(describe(outcome));
  return outcome.violation === undefined ? 0 : 1;
}

/** The lines of one moment at a time. */
async function page(lines: readonly string[]): Promise<void> {
  const input = createInterface({ input: process.stdin, output: process.stdout });
  let moment = '';
  for (const line of lines) {
    const at = line.slice(0, line.indexOf(' '));
    if (moment !== '' && at !== moment) await input.question('');
    moment = at;
    console.log(line);
  }
  input.close();
}

async function runMany(hours: number | undefined): Promise<number> {
  const startMs = Date.now();
  const endMs = hours === undefined ? Infinity : startMs + hours * 3_600_000;
  // A run of hours looks at worlds that no run before has seen.
  const from = hours === undefined ? number('from') : Math.floor(startMs / 1000);
  let [run, failed, steps] = [0, 0, 0];
  await runSeeds(seedsFrom(from, hours === undefined ? number('seeds') : Number.MAX_SAFE_INTEGER - from), {
    threads,
    defect: values.defect,
    ended: (outcome) => {
      run += 1;
      steps += outcome.steps;
      if (outcome.violation !== undefined) {
        failed += 1;
        console.log(describe(outcome));
      }
      if (run % 100 === 0) console.log(summary());
      return Date.now() >= endMs;
    },
  });
  function summary(): string {
    const seconds = (Date.now() - startMs) / 1000;
    return `${run} worlds, ${steps} steps, ${failed} violations in ${seconds.toFixed(0)} s (${(run / seconds).toFixed(1)} worlds/s)`;
  }
  console.log(summary());
  return failed === 0 ? 0 : 1;
}

function describe({ seed, scenarios, faults, violation, steps, requests, writes, lastedMs, hash }: Outcome): string {
  const lines = [
    `seed ${seed}: ${violation === undefined ? 'all invariants held' : `VIOLATED ${violation.invariant}`}`,
    ...(violation === undefined ? [] : [`  ${violation.what} (at ${(violation.atMs / 1000).toFixed(3)} s)`]),
    `  scenarios: ${scenarios.join(', ')}`,
    ...faults.map((fault) => `  fault: ${fault}`),
    `  ${steps} steps, ${requests} requests, ${writes} writes, ${(lastedMs / 1000).toFixed(0)} s of the world, trace ${hash.slice(0, 16)}`,
    ...(violation === undefined
      ? []
      : [`  again: npm run sim -- --seed ${seed}${values.defect === undefined ? '' : ` --defect ${values.defect}`}`]),
  ];
  return lines.join('\n');
}
