/** A running program with its three streams, for what {@link file://./exec.ts} is too short-lived. */
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

export interface Pipe {
  pid: number;
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** The exit status; -1 when a signal ended it. Never rejects. */
  exited: Promise<number>;
  kill(signal?: NodeJS.Signals): void;
}

export interface PipeOptions {
  env?: Record<string, string> | undefined;
}

/** @throws the spawn's error (ENOENT …) when the program cannot be started */
export async function openPipe(argv: readonly string[], options: PipeOptions = {}): Promise<Pipe> {
  const [command, ...args] = argv;
  if (command === undefined) throw new Error('pipe: empty argv');
  const child = spawn(command, args, { stdio: 'pipe', env: { ...process.env, ...options.env } });
  const exited = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
  // A program may end without reading all its input; its exit status says whether that was an error.
  child.stdin.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`${argv.join(' ')}: ${error.message}`, { cause: error })));
  });
  child.on('error', () => undefined); // Only `kill` can fail now, on a program that has ended: that is what it was for.
  return {
    pid: child.pid ?? -1,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    kill: (signal = 'SIGTERM') => void child.kill(signal),
  };
}
