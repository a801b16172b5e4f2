/** A running program with its three streams. {@link file://./exec.ts} is for programs whose whole output is collected. */
import { spawn } from 'node:child_process';
import { Duplex, type Readable, type Writable } from 'node:stream';

/** A program that {@link openPipe} has started. */
export interface Pipe {
  pid: number;
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Resolves to the exit status, or to -1 when a signal ended the program. Never rejects. */
  exited: Promise<number>;
  kill(signal?: NodeJS.Signals): void;
}

/** Options of {@link openPipe}. */
export interface PipeOptions {
  env?: Record<string, string> | undefined;
}

/** Starts a program. @throws the error of spawn (ENOENT …) when it cannot be started */
export async function openPipe(argv: readonly string[], options: PipeOptions = {}): Promise<Pipe> {
  const [command, ...args] = argv;
  if (command === undefined) throw new Error('pipe: empty argv');
  const child = spawn(command, args, { stdio: 'pipe', env: { ...process.env, ...options.env } });
  const exited = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
  // A program may end before it has read all its input (EPIPE). Its exit status says whether that was an error.
  child.stdin.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`${argv.join(' ')}: ${error.message}`, { cause: error })));
  });
  child.on('error', () => undefined); // From here on only `kill` can fail, when the program has ended already.
  return {
    pid: child.pid ?? -1,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    kill: (signal = 'SIGTERM') => void child.kill(signal),
  };
}

/**
 * The program's standard input and output as one duplex stream, like a network connection. Destroying the stream kills the
 * program. The stream ends when the program ends, with the error that `failure` makes from an exit status other than 0.
 */
export function pipeDuplex(pipe: Pipe, failure?: (exitCode: number) => Promise<Error>): Duplex {
  const { stdin, stdout } = pipe;
  const duplex = new Duplex({
    allowHalfOpen: true,
    read: () => void stdout.resume(),
    // When the program has ended, the write completes at once: a `drain` event would never come.
    write: (chunk: Buffer, _encoding, done) =>
      !stdin.writable || stdin.write(chunk) ? done() : stdin.once('drain', () => done()),
    final: (done) => void stdin.end(() => done()),
    destroy: (error, done) => {
      pipe.kill('SIGKILL');
      done(error);
    },
  });
  stdout.on('data', (chunk: Buffer) => {
    if (!duplex.push(chunk)) stdout.pause();
  });
  const end = async (): Promise<void> => {
    const exitCode = await pipe.exited;
    if (exitCode === 0 || failure === undefined) duplex.push(null);
    else duplex.destroy(await failure(exitCode));
  };
  stdout.on('end', () => void end().catch((error: Error) => duplex.destroy(error)));
  stdout.on('error', (error) => duplex.destroy(error));
  // No process reads the input any more. Without this event a write that waits for `drain` would wait for ever.
  stdin.on('close', () => stdin.emit('drain'));
  return duplex;
}
