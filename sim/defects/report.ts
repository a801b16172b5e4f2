/** Plants each defect in turn, runs worlds until one shows it, and reports the share that was found. */
import { runSeeds, seedsFrom } from '../pool.ts';
import { scenariosOf } from '../scenarios/index.ts';
import { type Defect, defects } from './defects.ts';

/** Options of the report. */
export interface ReportOptions {
  threads: number;
  /** Limit of worlds per defect. */
  seeds: number;
  /** The names of the only defects to plant. */
  only?: readonly string[] | undefined;
  tell: (line: string) => void;
}

/** The result for one defect. */
export interface Finding {
  name: string;
  /** Number of worlds that were run. */
  worlds: number;
  /** The first world that revealed the defect. */
  found?: { seed: string; invariant: string; what: string };
}

/** The seeds of worlds with one of the defect's scenarios; other worlds cannot reveal it. */
function* seedsFor({ scenarios }: Defect, count: number): Generator<string> {
  let given = 0;
  for (const seed of seedsFrom(1, Number.MAX_SAFE_INTEGER - 1)) {
    if (!scenariosOf(seed).some((name) => scenarios.includes(name))) continue;
    if (given++ === count) return;
    yield seed;
  }
}

/** Runs worlds with one defect until an invariant is violated. @throws Error when the defect cannot be planted */
export async function findDefect(defect: Defect, threads: number, seeds: number): Promise<Finding> {
  const finding: Finding = { name: defect.name, worlds: 0 };
  await runSeeds(seedsFor(defect, seeds), {
    threads,
    defect: defect.name,
    ended: ({ seed, violation }) => {
      finding.worlds += 1;
      if (violation !== undefined) finding.found ??= { seed, ...violation };
      return finding.found !== undefined;
    },
  });
  return finding;
}

/** @returns the exit status: 0 when at least nineteen of twenty were found */
export async function reportDefects({ threads, seeds, only, tell }: ReportOptions): Promise<number> {
  const planted = defects.filter(({ name }) => only === undefined || only.includes(name));
  let count = 0;
  for (const defect of planted) {
    const { name, kind } = defect;
    const { worlds, found } = await findDefect(defect, threads, seeds);
    if (found !== undefined) count += 1;
    tell(`${found === undefined ? 'MISSED' : 'found '} ${name}: ${kind}`);
    tell(
      found === undefined
        ? `         in ${worlds} worlds`
        : `         world ${worlds}, seed ${found.seed}: ${found.invariant}: ${found.what}`,
    );
  }
  tell(`${count} of ${planted.length} planted defects were found (${Math.round((100 * count) / planted.length)} %)`);
  return count / planted.length >= 0.95 ? 0 : 1;
}
