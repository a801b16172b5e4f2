/** Runs programs. A program is an argv array, never text for a shell. Tests replace {@link Exec}. */
import { type ChildProcess, spawn } from 'node:child_process';

/** Options of one run. */
export interface ExecOptions {
  /** Written to standard input, which is then closed. Passes secrets and rules without showing them in the process list. */
  stdin?: string | Uint8Array | undefined;
  /** Time that the program has. Default two minutes, so that no program blocks its caller for ever. 0: no limit. */
  timeoutMs?: number | undefined;
  /** Limit of standard output and error together. A program that writes more is killed. Default 128 MiB. */
  maxOutputBytes?: number | undefined;
  signal?: AbortSignal | undefined;
  env?: Record<string, string> | undefined;
  cwd?: string | undefined;
}

/** The output of a program that ended with status 0. */
export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** The program ended with a status other than 0, could not be started, or ran out of time. */
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

/** Runs a program and resolves when it has ended. @throws ExecError unless it ends with status 0 */
export type Exec = (argv: readonly string[], options?: ExecOptions) => Promise<ExecResult>;

const defaultTimeoutMs = 120_000;
/** Time to read the remaining output of a program that has ended while one of its children still holds the pipes. */
const pipeGraceMs = 5_000;
const defaultMaxOutputBytes = 128 * 1024 * 1024;

/**
 * Runs the program in a process group of its own. When the time is up, or the output exceeds its limit, the whole group is killed
 * and the call settles, even if the pipes stay open: a child that lives on would otherwise hold them, and the caller would wait.
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
    const closePipes = (): void => [child.stdin, child.stdout, child.stderr].forEach((stream) => stream?.destroy());
    const cut = (why: string, options?: ErrorOptions): void =>
      settle(() => {
        const failure = killGroup(child, 'SIGKILL');
        closePipes();
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
      // A child that inherited the pipes may live on. The caller does not wait for it.
      inherited = setTimeout(() => {
        closePipes();
        end(code, signalName);
      }, pipeGraceMs);
    });
    child.once('close', end);
    // A program may end before it has read all its input (EPIPE). Its exit status says whether that was an error.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.stdin);
    if (child.pid !== undefined) running.add(child);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });

/** The programs that run now. They are in process groups of their own, so a signal to this process does not reach them. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child, 'SIGTERM');
});

/** @returns the reason when the group could not be signalled */
function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): string | undefined {
  if (pid === undefined) return undefined;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return code === 'ESRCH' ? undefined : code; // ESRCH: every process of the group has ended already.
  }
  return undefined;
}
