/** Lists and kills processes. A process is identified by pid and start time, because the kernel reuses pids. Source: proc(5). */
import { readdir, readFile, readlink } from 'node:fs/promises';

/** One process. */
export interface Process {
  pid: number;
  parent: number;
  /** Start time in clock ticks since boot. Pid and start time together identify a process until the next boot. */
  startTicks: number;
  argv: readonly string[];
  /** The working directory. `undefined` when the process has ended or its directory cannot be read. */
  cwd: string | undefined;
}

/** The processes of this machine. */
export interface Processes {
  /** All processes, without threads and kernel threads. */
  list(): Promise<Process[]>;
  /** Sends SIGKILL, unless the process has ended. */
  kill(process: Process): Promise<void>;
}

/** Parses `pid (name) state ppid …`. The name may contain any characters, parentheses too. Pure. */
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
    // The process ended while its files were read: root has no other reason to fail here.
    return undefined;
  }
}

/** The processes under /proc. */
export const machineProcesses: Processes = {
  async list() {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const found: Process[] = [];
    // The files are read one after the other: thousands of reads at once would delay every other file operation of this process.
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
