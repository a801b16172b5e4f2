/** Running programs: argv arrays only, never a shell. The seam that tests replace. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface ExecOptions {
  /** Written to standard input, which is then closed. Keeps secrets and rules out of the process list. */
  stdin?: string | Uint8Array | undefined;
  /** Default two minutes: nothing that we run may keep its caller for ever. 0: none. */
  timeoutMs?: number | undefined;
  /** Of standard output and error together; a program that writes more is ended. Default 128 MiB. */
  maxOutputBytes?: number | undefined;
  signal?: AbortSignal | undefined;
  env?: Record<string, string> | undefined;
  cwd?: string | undefined;
}

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** A program ended with a status other than 0, could not be started, or ran out of time. */
export class ExecError extends Error {
  readonly argv: readonly string[];
  readonly result: ExecResult;
  constructor(argv: readonly string[], result: ExecResult, options?: ErrorOptions) {
    const why = result.stderr.trim() || result.stdout.trim() || 'no message';
    super(`${argv.join(' ')}: exit status ${result.exitCode}: ${why}`, options);
    this.name = 'ExecError';
    this.argv = argv;
    this.result = result;
  }
}

/** @throws ExecError unless the program ends with status 0 */
export type Exec = (argv: readonly string[], options?: ExecOptions) => Promise<ExecResult>;

const defaultTimeoutMs = 120_000;
/** For the output of a program that has ended, where another one still holds its pipes. */
const pipeGraceMs = 5_000;
const defaultMaxOutputBytes = 128 * 1024 * 1024;

/**
 * The program gets a process group of its own, which ends with it: what it started in turn would keep its pipes open, and its caller
 * waiting. When time is up, or its output too much, the group is killed and the call settles, whether or not the pipes close.
 */
export const execFile: Exec = (argv, options = {}) =>
  new Promise((resolve, reject) => {
    const [command, ...args] = argv;
    if (command === undefined) throw new Error('exec: empty argv');
    const { timeoutMs = defaultTimeoutMs, maxOutputBytes = defaultMaxOutputBytes, signal } = options;
    const child = spawn(command, args, {
      detached: true,
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: options.env === undefined ? process.env : { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const outputs: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
    const text = (name: 'stdout' | 'stderr'): string => Buffer.concat(outputs[name]).toString('utf8');
    const result = (exitCode: number): ExecResult => ({ exitCode, stdout: text('stdout'), stderr: text('stderr') });
    const settle = (action: () => void): void => {
      clearTimeout(timer);
      clearTimeout(inherited);
      signal?.removeEventListener('abort', abort);
      running.delete(child);
      action();
    };
    let inherited: NodeJS.Timeout | undefined;
    const letGo = (): void => [child.stdin, child.stdout, child.stderr].forEach((stream) => stream?.destroy());
    const cut = (why: string, options?: ErrorOptions): void =>
      settle(() => {
        const failure = killGroup(child, 'SIGKILL');
        letGo();
        const soFar = result(-1);
        const stderr = `${soFar.stderr}${why}${failure === undefined ? '' : ` (it cannot be killed: ${failure})`}`;
        reject(new ExecError(argv, { ...soFar, stderr }, options));
      });
    const end = (code: number | null, signalName: NodeJS.Signals | null): void =>
      settle(() => {
        const ended = result(code ?? -1);
        if (code === 0) resolve(ended);
        else reject(new ExecError(argv, code === null ? { ...ended, stderr: `${ended.stderr}killed by ${signalName}` } : ended));
      });
    const abort = (): void => cut('it was given up', { cause: signal?.reason });
    const timer =
      timeoutMs === 0 ? undefined : setTimeout(() => cut(`killed: it did not end within ${timeoutMs / 1000} s`), timeoutMs);
    let bytes = 0;
    for (const name of ['stdout', 'stderr'] as const)
      child[name]?.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxOutputBytes) cut(`killed: it wrote more than ${maxOutputBytes} bytes`);
        else outputs[name].push(chunk);
      });
    child.once('error', (error) =>
      settle(() => reject(new ExecError(argv, { ...result(-1), stderr: error.message }, { cause: error }))),
    );
    child.once('exit', (code, signalName) => {
      // Whoever has inherited its pipes may live on, and holds nobody up.
      inherited = setTimeout(() => {
        letGo();
        end(code, signalName);
      }, pipeGraceMs);
    });
    child.once('close', end);
    // A program may end without reading all its input; its exit status says whether that was an error.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.stdin);
    if (child.pid !== undefined) running.add(child);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });

/** What runs at this moment: in groups of their own, programs would not hear of our end. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child, 'SIGTERM');
});

/** @returns why not, where it could not be signalled */
function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): string | undefined {
  if (pid === undefined) return undefined;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return code === 'ESRCH' ? undefined : code; // ESRCH: all of it has ended meanwhile.
  }
  return undefined;
}
