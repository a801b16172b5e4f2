/** A running program with its three streams, for what {@link file://./exec.ts} is too short-lived. */
import { spawn } from 'node:child_process';
import { Duplex, type Readable, type Writable } from 'node:stream';

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

/**
 * The program's standard input and output as one stream, as with a network connection. Destroying it kills the program.
 * It ends when the program has, with the error that `failure` makes of an exit status other than 0.
 */
export function pipeDuplex(pipe: Pipe, failure?: (exitCode: number) => Promise<Error>): Duplex {
  const { stdin, stdout } = pipe;
  const duplex = new Duplex({
    allowHalfOpen: true,
    read: () => void stdout.resume(),
    // To a program that has ended there is nothing to write, and no drain would ever come.
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
  // Nobody reads on; without this a waiting write would never end.
  stdin.on('close', () => stdin.emit('drain'));
  return duplex;
}
