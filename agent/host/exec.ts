/** Running programs: argv arrays only, never a shell. The seam that tests replace. */
import { spawn } from 'node:child_process';

export interface ExecOptions {
  /** Written to standard input, which is then closed. Keeps secrets and rules out of the process list. */
  stdin?: string | Uint8Array | undefined;
  timeoutMs?: number | undefined;
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

export const execFile: Exec = (argv, options = {}) =>
  new Promise((resolve, reject) => {
    const [command, ...args] = argv;
    if (command === undefined) throw new Error('exec: empty argv');
    const child = spawn(command, args, {
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: options.env === undefined ? process.env : { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    const result = (exitCode: number): ExecResult => ({
      exitCode,
      stdout: Buffer.concat(stdout).toString('utf8'),
      stderr: Buffer.concat(stderr).toString('utf8'),
    });
    child.once('error', (error) => reject(new ExecError(argv, { ...result(-1), stderr: error.message }, { cause: error })));
    child.once('close', (code, signalName) => {
      if (code === 0) resolve(result(0));
      else
        reject(
          new ExecError(
            argv,
            code === null ? { ...result(-1), stderr: `${result(-1).stderr}killed by ${signalName}` } : result(code),
          ),
        );
    });
    // A program may end without reading all its input; its exit status says whether that was an error.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.stdin);
  });
