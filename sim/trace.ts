/** The trace of a world, line by line, and its hash. Two runs of one seed have the same hash. */
import { createHash } from 'node:crypto';
import type { VirtualTime } from '#client/virtual-time.ts';

/** Receives the lines of a trace. */
export interface Trace {
  note(text: string): void;
}

/** Computes a hash of all lines, and passes each line to the reader, if any. */
export class HashedTrace implements Trace {
  lines = 0;
  readonly #hash = createHash('sha256');
  /** Lines that are not hashed yet. Hashing many at a time is faster. */
  #pending = '';
  readonly #time: VirtualTime;
  readonly #reader: ((line: string) => void) | undefined;

  constructor(time: VirtualTime, reader?: (line: string) => void) {
    this.#time = time;
    this.#reader = reader;
  }

  note(text: string): void {
    const line = `${(this.#time.monotonic() / 1000).toFixed(3)} ${text}`;
    this.lines += 1;
    this.#pending += `${line}\n`;
    if (this.#pending.length > 1 << 16) this.#flush();
    this.#reader?.(line);
  }

  /** The hash of all lines so far. Call it once. */
  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#pending);
    this.#pending = '';
  }
}
