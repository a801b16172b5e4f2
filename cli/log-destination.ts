/**
 * Where a process' log goes. A log that cannot be written, as on a full disk, costs its lines and never the process: pino's own
 * destination raises an error that ends it, and tries for ever to write the rest at its exit.
 */
import { writeSync } from 'node:fs';

export interface LogDestination {
  /** Never throws. */
  write(line: string): void;
}

/** How long a reader of a pipe may be behind before its lines are dropped. */
const patienceMs = 100;
const pauseMs = 5;

/** @param now milliseconds @param write as `fs.writeSync` */
export function createLogDestination(
  fd: number,
  { now, write = writeSync }: { now: () => number; write?: (fd: number, data: Uint8Array) => number },
): LogDestination {
  let lost = 0;
  /** The end of a line that was cut short: what comes next must begin a line of its own. */
  let isCut = false;

  /** @returns whether all of it was written */
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

  function tellLost(): boolean {
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
      if ((lost > 0 && !tellLost()) || !put(line)) lost++;
    },
  };
}
