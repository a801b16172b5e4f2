/** What a running lab was started with, so that a later `up` does not mix two labs, and `down` finds all of it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab, LabOptions } from './config.ts';
import { UsageError } from './system.ts';

const fixedOptions = ['runtime', 'subnet', 'clusterCidr', 'serviceCidr', 'dataDir'] as const;

const recordPath = (name: string): string => join('/run/tinkernetes', name, 'lab.json');

export function writeRecord(lab: Lab): void {
  const { name, workers, runtime, subnet, clusterCidr, serviceCidr, dataDir } = lab;
  const options: LabOptions = { name, workers, runtime, subnet, clusterCidr, serviceCidr, dataDir };
  mkdirSync(lab.stateDir, { recursive: true });
  writeFileSync(recordPath(name), `${JSON.stringify(options, null, 2)}\n`);
}

/** The options of the lab of that name that is up, or was left over. */
export function readRecord(name: string): LabOptions | undefined {
  try {
    return JSON.parse(readFileSync(recordPath(name), 'utf8')) as LabOptions;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @throws UsageError where a lab of that name exists with other addresses, folders, runtime, or more workers */
export function checkRecord(lab: Lab): void {
  const record = readRecord(lab.name);
  if (record === undefined) return;
  const option =
    fixedOptions.find((name) => record[name] !== lab[name]) ?? (record.workers > lab.workers ? 'workers' : undefined);
  if (option === undefined) return;
  throw new UsageError(
    `A lab "${lab.name}" exists with ${option} ${record[option]}, not ${lab[option]}: take it away first (npm run down), or give this one another --name.`,
  );
}
