/** The machine's processes, told apart from later ones with the same number. Source: proc(5). */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface Process {
  pid: number;
  parent: number;
  /** In clock ticks since boot: with the number it names one process for ever. */
  startTicks: number;
  argv: readonly string[];
  /** `undefined`: gone, or not to be told. */
  cwd: string | undefined;
}

export interface Processes {
  /** All that exist, threads and kernel threads apart. */
  list(): Promise<Process[]>;
  /** SIGKILL, unless the process has ended. */
  kill(process: Process): Promise<void>;
}

/** `pid (name) state ppid …`: the name may hold anything, also parentheses. Pure. */
export function parseStat(stat: string): { parent: number; startTicks: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), startTicks: Number(fields[19]) };
}

async function read(pid: number): Promise<Process | undefined> {
  try {
    const [stat, cmdline, cwd] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
      readlink(`/proc/${pid}/cwd`).catch(() => undefined),
    ]);
    return { pid, ...parseStat(stat), argv: cmdline.split('\0').slice(0, -1), cwd };
  } catch {
    // It ended while it was looked at: there is no other reason for root.
    return undefined;
  }
}

export const machineProcesses: Processes = {
  async list() {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const found: Process[] = [];
    // One after the other: thousands of files at once would keep everybody else from theirs.
    for (const pid of pids) {
      const one = await read(pid);
      if (one !== undefined) found.push(one);
    }
    return found;
  },
  async kill({ pid, startTicks }) {
    if ((await read(pid))?.startTicks !== startTicks) return;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  },
};
