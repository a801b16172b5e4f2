/**
 * The options with which a lab was started. With them a later `up` does not mix two labs, and `down` removes exactly what the lab
 * has made. One copy is found by the lab's name and is deleted at a reboot, like processes and links. The other copy is stored
 * with the lab's files and stays.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '#agent/host/make-folder.ts';
import { errorText } from '#api/error-text.ts';
import { defaultLab, type Lab, type LabOptions } from './config.ts';
import { UsageError } from './system.ts';

const fixedOptions = {
  runtime: '--runtime',
  subnet: '--subnet',
  clusterCidr: '--cluster-cidr',
  serviceCidr: '--service-cidr',
  dataDir: '--data-dir',
  proxyMode: '--proxy-mode',
} as const;
const stateRoot = '/run/tinkernetes';
const recordFile = 'lab.json';

/** A lab's record. */
export interface LabRecord extends LabOptions {
  /** Whether the lab has made its folder, so that `down` removes it. */
  madeDataDir?: boolean;
}

/** Writes both copies of the record. @throws UsageError when the folder cannot be made */
export function writeRecord(lab: Lab): void {
  const { name, workers, runtime, subnet, clusterCidr, serviceCidr, dataDir, layout, proxyMode, segments } = lab;
  const before = readRecord(name, dataDir)?.madeDataDir === true;
  const madeDataDir = makeDataDir(dataDir) || before;
  makeFolder(lab.stateDir);
  const record: LabRecord = {
    name,
    workers,
    runtime,
    subnet,
    clusterCidr,
    serviceCidr,
    dataDir,
    layout,
    proxyMode,
    segments,
    madeDataDir,
  };
  for (const folder of [lab.stateDir, dataDir]) writeFileSync(join(folder, recordFile), `${JSON.stringify(record, null, 2)}\n`);
}

/** Makes the lab's folder. @returns whether it is new @throws UsageError when it cannot be made */
function makeDataDir(dataDir: string): boolean {
  try {
    return makeFolder(dataDir);
  } catch (error) {
    throw new UsageError(`--data-dir ${dataDir} cannot be made (${errorText(error)}): name another one.`, {
      cause: error,
    });
  }
}

/** The record of the lab with this name that is running, or was left over in `dataDir`. Undefined when there is none. */
export function readRecord(name: string, dataDir: string): LabRecord | undefined {
  const record = readAt(join(stateRoot, name)) ?? readAt(dataDir);
  return record?.name === name ? record : undefined;
}

/** The names of all labs of this machine that are running or were left over. */
export function labNames(): string[] {
  return namesIn(stateRoot).filter((name) => readAt(join(stateRoot, name)) !== undefined);
}

/**
 * Checks that the lab can use its name and folder. @throws UsageError when a lab with other options exists, or its folder has
 * other files
 */
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
  const [was, wanted] = [record.layout ?? 'single', lab.layout ?? 'single'];
  const differs =
    was !== wanted
      ? `--layout ${was}, not ${wanted}`
      : (record.segments ?? 1) !== lab.networks.length
        ? `--segments ${record.segments ?? 1}, not ${lab.networks.length}`
        : option !== undefined
          ? `${fixedOptions[option]} ${record[option] ?? 'iptables'}, not ${lab[option] ?? 'iptables'}`
          : record.workers > lab.workers
            ? `--workers ${record.workers}, not ${lab.workers}`
            : undefined;
  if (differs === undefined) return;
  throw new UsageError(
    `The lab "${lab.name}" exists with ${differs}: take it away first (${downCommand(lab)}), or start another with --name, --subnet and --data-dir.`,
  );
}

/** The command with which the user removes the lab. */
export function downCommand({ name }: Pick<LabOptions, 'name'>): string {
  return name === defaultLab.name ? 'npm run down' : `npm run down -- --name ${name}`;
}

function readAt(folder: string): LabRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, recordFile), 'utf8')) as LabRecord;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The file is incomplete: the machine was switched off while it was written. Nothing else had been made by then.
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
