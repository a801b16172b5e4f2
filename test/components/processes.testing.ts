/** Starts components as processes, and waits for what they do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { until } from '#lab/until.ts';

/** A program with the arguments that make it a component. */
export type Program = (component: string) => readonly string[];

/** A component that runs. */
export interface Running {
  /** What it has said so far. */
  output(): string;
  /** Settles with its exit status. */
  ended: Promise<number | null>;
  child: ChildProcess;
  stop(): Promise<void>;
}

/** Starts one. */
export function startComponent(
  program: Program,
  component: string,
  flags: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Running {
  const [file = '', ...args] = [...program(component), ...flags];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const pieces: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece: Buffer) => pieces.push(piece.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    child,
    output: () => pieces.join(''),
    ended,
    async stop() {
      child.kill('SIGTERM');
      const killed = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(killed);
    },
  };
}

/** Waits until `ask` gives something. @throws Error with the last failure after a minute and a half */
export const eventually = <T>(what: string, ask: () => Promise<T>) => until(what, ask, { timeoutMs: 90_000, everyMs: 200 });
