/** What has happened in a world, line by line, and the hash of it: two runs of one seed have the same. */
import { createHash } from 'node:crypto';
import type { VirtualTime } from './virtual-time.ts';

/** Receives what happens. */
export interface Trace {
  note(text: string): void;
}

/** Keeps a hash of all lines, and hands each on where somebody reads along. */
export class HashedTrace implements Trace {
  lines = 0;
  readonly #hash = createHash('sha256');
  /** Lines that are not in the hash yet: it is cheaper for many at a time. */
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

  /** Of all lines so far. Call it once. */
  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#pending);
    this.#pending = '';
  }
}
