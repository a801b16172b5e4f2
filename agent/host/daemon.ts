/**
 * Starts programs that outlive the command that starts them, and finds them again through a pid file.
 *
 * A pid file holds the pid and the process' start time in clock ticks (field 22 of proc_pid_stat(5)). A later process with the
 * same pid has another start time, so no foreign process is ever signalled.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A program to run as a daemon. */
export interface DaemonSpec {
  /** The name for messages, for example `API server`. */
  name: string;
  argv: readonly string[];
  pidFile: string;
  /** The file to which standard output and error are appended. */
  logFile: string;
  env?: Record<string, string> | undefined;
}

/** Starts the program unless the process of the pid file is alive. @throws Error when the program cannot be started */
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
    // Written at once: the starting command may be interrupted at any moment, and a daemon without a pid file cannot be found
    // again.
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

/** The pid of the running daemon; undefined when it does not run. */
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

/**
 * Sends SIGTERM, then SIGKILL after the grace period, and returns when the process is gone. A daemon that does not run is
 * success.
 */
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

/** Kills the processes that `list` returns, and waits until the list is empty. */
export async function killProcesses(list: () => Promise<number[]>): Promise<void> {
  for (let round = 0; round < 500; round++) {
    const pids = (await list()).filter((pid) => pid !== process.pid);
    if (pids.length === 0) return;
    for (const pid of pids) signal(pid, 'SIGKILL');
    await delay(20);
  }
  throw new Error(`these processes cannot be killed: ${(await list()).join(', ')}`);
}

/** The last lines of a log file, to show why a daemon did not start. */
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

/** The start time of a process in clock ticks. Undefined when there is no such process, or it is a zombie. */
function startTicks(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // No such process: root has no other reason to fail here.
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}
