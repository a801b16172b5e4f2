/**
 * Programs that outlive the command that starts them, found again through a pid file.
 *
 * A pid file holds the pid and the process' start time in clock ticks (field 22 of proc_pid_stat(5)): a recycled pid is never
 * mistaken for the daemon, so nothing foreign is ever signalled.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface DaemonSpec {
  /** What it is, for messages: `API server`. */
  name: string;
  argv: readonly string[];
  pidFile: string;
  /** Standard output and error are appended here. */
  logFile: string;
  env?: Record<string, string> | undefined;
}

/** Starts the program unless the pid file names a living one. @throws when the program cannot be started */
export async function startDaemon(spec: DaemonSpec): Promise<{ pid: number; started: boolean }> {
  const running = daemonPid(spec.pidFile);
  if (running !== undefined) return { pid: running, started: false };
  mkdirSync(dirname(spec.pidFile), { recursive: true });
  mkdirSync(dirname(spec.logFile), { recursive: true });
  const log = openSync(spec.logFile, 'a', 0o640);
  try {
    const [command, ...args] = spec.argv;
    if (command === undefined) throw new Error(`${spec.name}: empty argv`);
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: spec.env === undefined ? process.env : { ...process.env, ...spec.env },
    });
    const pid = child.pid;
    // In the same breath: whoever started it may be interrupted at any moment, and what has no pid file is never found again.
    if (pid !== undefined) writeFileSync(spec.pidFile, `${pid} ${startTicks(pid) ?? ''}\n`);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(new Error(`${spec.name}: cannot start ${command}: ${error.message}`, { cause: error })),
      );
    });
    child.unref();
    return { pid: pid as number, started: true };
  } finally {
    closeSync(log);
  }
}

/** The pid of the living daemon, or undefined. */
export function daemonPid(pidFile: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(pidFile, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  const [pid, ticks] = text.trim().split(' ');
  return pid !== undefined && ticks !== undefined && startTicks(Number(pid)) === ticks ? Number(pid) : undefined;
}

/** SIGTERM, then SIGKILL after the grace period; returns when it is gone. A daemon that does not run is success. */
export async function stopDaemon(pidFile: string, graceMs = 10_000): Promise<void> {
  const pid = daemonPid(pidFile);
  if (pid !== undefined) {
    signal(pid, 'SIGTERM');
    const deadline = Date.now() + graceMs;
    while (daemonPid(pidFile) !== undefined && Date.now() < deadline) await delay(20);
    if (daemonPid(pidFile) !== undefined) signal(pid, 'SIGKILL');
    while (daemonPid(pidFile) !== undefined) await delay(20);
  }
  rmSync(pidFile, { force: true });
}

/** Kills these processes and waits until the kernel has let go of them. */
export async function killProcesses(list: () => Promise<number[]>): Promise<void> {
  for (let round = 0; round < 500; round++) {
    const pids = (await list()).filter((pid) => pid !== process.pid);
    if (pids.length === 0) return;
    for (const pid of pids) signal(pid, 'SIGKILL');
    await delay(20);
  }
  throw new Error(`these processes cannot be killed: ${(await list()).join(', ')}`);
}

/** The last lines of a log, to show why a daemon did not come up. */
export async function logTail(logFile: string, lines = 12): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Undefined when there is no such process, or only its zombie. */
function startTicks(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // no such process; there is no other reason for root
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}
