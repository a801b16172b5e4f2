/**
 * Finds the programs of a lab from its record alone. Their pid files have known paths. For a program without a pid file (its `up`
 * was killed before it was written), there is a mark in the environment, which every program of the lab has and passes on.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './config.ts';

const mark = 'TINKERNETES_LAB';
/** The maximum number of workers. The record may have a smaller number, from a later `up` with fewer workers. */
const mostWorkers = 9;

/** The environment variable that marks every program of the lab. */
export const labMark = (lab: Pick<Lab, 'stateDir'>): Record<string, string> => ({ [mark]: lab.stateDir });

/** The paths of the agents' pid files, and of all others. */
export function pidFilesOf({ stateDir }: Pick<Lab, 'stateDir'>): { agents: string[]; others: string[] } {
  const workers = Array.from({ length: mostWorkers }, (_, index) => join(stateDir, `worker-${index + 1}`));
  return {
    agents: workers.map((folder) => join(folder, 'agent.pid')),
    others: [
      ...workers.map((folder) => join(folder, 'runtime.pid')),
      ...[join(stateDir, 'controlplane'), ...workers].map((folder) => join(folder, 'machine.pid')),
      ...['server', 'registry', 'registry-push'].map((name) => join(stateDir, `${name}.pid`)),
    ],
  };
}

/** The pids of processes with the lab's mark, whatever their parent is now. */
export function markedPids(lab: Pick<Lab, 'stateDir'>): number[] {
  const wanted = `${mark}=${lab.stateDir}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(wanted))
    .map(Number);
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    return []; // The process has ended meanwhile: root has no other reason to fail here.
  }
}
