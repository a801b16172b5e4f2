/**
 * Writes the log of a process. When the log cannot be written, for example on a full disk, lines are lost, but the process goes
 * on. pino's own destination would raise an error that ends the process, and would try for ever to write the rest at exit.
 */
import { writeSync } from 'node:fs';

/** A destination for pino. */
export interface LogDestination {
  /** Writes a line. Never throws. */
  write(line: string): void;
}

/** Time that a slow reader of a pipe has before lines are dropped. */
const patienceMs = 100;
const pauseMs = 5;

/** Makes a destination. @param now milliseconds @param write like `fs.writeSync` */
export function createLogDestination(
  fd: number,
  { now, write = writeSync }: { now: () => number; write?: (fd: number, data: Uint8Array) => number },
): LogDestination {
  let lost = 0;
  /** Whether the last line was cut. The next text must then begin a new line. */
  let isCut = false;

  /** @returns whether everything was written */
  function put(text: string): boolean {
    let rest: Uint8Array = Buffer.from(text);
    const untilMs = now() + patienceMs;
    while (rest.length > 0) {
      try {
        const written = write(fd, rest);
        isCut = written < rest.length;
        rest = rest.subarray(written);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EAGAIN' || now() >= untilMs) return false;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
      }
    }
    return true;
  }

  function reportLost(): boolean {
    const line = {
      level: 40,
      time: new Date(now()).toISOString(),
      lost,
      msg: 'log lines were lost: the log could not be written',
    };
    if (!put(`${isCut ? '\n' : ''}${JSON.stringify(line)}\n`)) return false;
    lost = 0;
    return true;
  }

  return {
    write(line) {
      if ((lost > 0 && !reportLost()) || !put(line)) lost++;
    },
  };
}
