/**
 * What a lab started, known from its record alone: where its pid files lie, and, for a program whose pid file was never written (its
 * `up` was killed in that moment), a mark in the environment that every program of the lab carries and passes on.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './config.ts';

const mark = 'TINKERNETES_LAB';
/** As many as a lab may have, whatever the record says: it may have been written by an `up` with fewer. */
const mostWorkers = 9;

/** For the environment of every program that the lab starts. */
export const labMark = (lab: Pick<Lab, 'stateDir'>): Record<string, string> => ({ [mark]: lab.stateDir });

/** The agents' pid files, and those of all else. */
export function pidFilesOf({ stateDir }: Pick<Lab, 'stateDir'>): { agents: string[]; others: string[] } {
  const workers = Array.from({ length: mostWorkers }, (_, index) => join(stateDir, `worker-${index + 1}`));
  return {
    agents: workers.map((folder) => join(folder, 'agent.pid')),
    others: [
      ...workers.map((folder) => join(folder, 'runtime.pid')),
      ...['server', 'registry', 'registry-push'].map((name) => join(stateDir, `${name}.pid`)),
    ],
  };
}

/** Processes with the lab's mark, whoever their parent is by now. */
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
    return []; // It has ended meanwhile; there is no other reason for root.
  }
}
