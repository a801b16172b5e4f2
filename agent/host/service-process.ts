/** Runs a program as a service: its output goes to a log file, and its end is told. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** How a service ended. */
export interface ServiceEnd {
  /** Null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A service that runs. */
export interface ServiceProcess {
  readonly pid: number;
  /** Resolves when it has ended. Never rejects. */
  readonly ended: Promise<ServiceEnd>;
  /** One that has ended already is left alone. */
  kill(signal: NodeJS.Signals): void;
}

/** What to run. */
export interface ServiceSpec {
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd?: string | undefined;
  /** Standard output and error are appended to it. */
  logFile: string;
}

/** Starts a service in a process group of its own. @throws Error when it cannot be started */
export async function startService({ argv, env, cwd, logFile }: ServiceSpec): Promise<ServiceProcess> {
  const [command = '', ...args] = argv;
  const log = openSync(logFile, 'a', 0o640);
  try {
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log], env: { ...env }, cwd: cwd ?? '/' });
    const ended = new Promise<ServiceEnd>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return { pid: child.pid as number, ended, kill: (signal) => void child.kill(signal) };
  } finally {
    closeSync(log);
  }
}
