/**
 * What a lab was started with: so that a later `up` does not mix two labs, and `down` takes away all of it and nothing else. One copy is
 * found by the lab's name, and goes with a reboot, as processes and links do; one lies with the lab's files, and stays with them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '#agent/host/make-folder.ts';
import { defaultLab, type Lab, type LabOptions } from './config.ts';
import { UsageError } from './system.ts';

const fixedOptions = {
  runtime: '--runtime',
  subnet: '--subnet',
  clusterCidr: '--cluster-cidr',
  serviceCidr: '--service-cidr',
  dataDir: '--data-dir',
} as const;
const stateRoot = '/run/tinkernetes';
const recordFile = 'lab.json';

export interface LabRecord extends LabOptions {
  /** The folder was not there before the lab, so it goes with it. */
  madeDataDir?: boolean;
}

export function writeRecord(lab: Lab): void {
  const { name, workers, runtime, subnet, clusterCidr, serviceCidr, dataDir } = lab;
  const before = readRecord(name, dataDir)?.madeDataDir === true;
  const madeDataDir = makeDataDir(dataDir) || before;
  makeFolder(lab.stateDir);
  const record: LabRecord = { name, workers, runtime, subnet, clusterCidr, serviceCidr, dataDir, madeDataDir };
  for (const folder of [lab.stateDir, dataDir]) writeFileSync(join(folder, recordFile), `${JSON.stringify(record, null, 2)}\n`);
}

/** @throws UsageError where it cannot be made */
function makeDataDir(dataDir: string): boolean {
  try {
    return makeFolder(dataDir);
  } catch (error) {
    throw new UsageError(`--data-dir ${dataDir} cannot be made (${(error as Error).message}): name another one.`, {
      cause: error,
    });
  }
}

/** The options of the lab of that name that is up, or was left over in `dataDir`. */
export function readRecord(name: string, dataDir: string): LabRecord | undefined {
  const record = readAt(join(stateRoot, name)) ?? readAt(dataDir);
  return record?.name === name ? record : undefined;
}

/** Names of all labs of this machine that are up, or were left over. */
export function labNames(): string[] {
  return namesIn(stateRoot).filter((name) => readAt(join(stateRoot, name)) !== undefined);
}

/** @throws UsageError where that lab exists with other options, or its folder holds what is not its own */
export function checkRecord(lab: Lab): void {
  const record = readRecord(lab.name, lab.dataDir);
  if (record === undefined) {
    const others = namesIn(lab.dataDir);
    if (others.length === 0) return;
    const owner = readAt(lab.dataDir)?.name;
    const what =
      owner === undefined
        ? `other files (${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''})`
        : `the lab "${owner}"`;
    throw new UsageError(`--data-dir ${lab.dataDir} holds ${what}: name a new or an empty folder.`);
  }
  const option = (Object.keys(fixedOptions) as (keyof typeof fixedOptions)[]).find((name) => record[name] !== lab[name]);
  const differs =
    option !== undefined
      ? `${fixedOptions[option]} ${record[option]}, not ${lab[option]}`
      : record.workers > lab.workers
        ? `--workers ${record.workers}, not ${lab.workers}`
        : undefined;
  if (differs === undefined) return;
  throw new UsageError(
    `The lab "${lab.name}" exists with ${differs}: take it away first (${downCommand(lab)}), or start another with --name, --subnet and --data-dir.`,
  );
}

/** How the user takes this lab away. */
export function downCommand({ name }: Pick<LabOptions, 'name'>): string {
  return name === defaultLab.name ? 'npm run down' : `npm run down -- --name ${name}`;
}

function readAt(folder: string): LabRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, recordFile), 'utf8')) as LabRecord;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Half a file: the machine went down while it was written, before anything was made.
    if (code === 'ENOENT' || code === 'ENOTDIR' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') throw new UsageError(`${folder} is a file, not a folder: name another --data-dir.`);
    throw error;
  }
}
