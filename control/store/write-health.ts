/** Whether writes reach the disk, and the look that finds out, without anybody writing, that they do again. */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fromSqlite, StoreError } from './errors.ts';

/** How long a mended disk waits until it is noticed. */
const retryMs = 1_000;
const lookMs = 5_000;
/** With less than this on the disk, whether a write still fits is found out by one. */
const scarceBytes = 64 << 10;
/** A disk that was full counts as mended with this much on it: a write of one page may fit sooner, and the next one not. */
const enoughBytes = 256 << 10;

export class WriteHealth {
  readonly #path: string;
  readonly #probe: () => void;
  readonly #changed: (problem: string | undefined) => void;
  readonly #timers: NodeJS.Timeout[];
  #problem: StoreError | undefined;

  /**
   * @param probe makes a small change durable, or throws
   * @param changed is told of the first failure, and of the first success after it
   */
  constructor(path: string, probe: () => void, changed: (problem: string | undefined) => void) {
    this.#path = path;
    this.#probe = probe;
    this.#changed = changed;
    this.#timers = [setInterval(() => this.#retry(), retryMs).unref(), setInterval(() => this.#look(), lookMs).unref()];
  }

  succeeded(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#changed(undefined);
  }

  /** Errors that say nothing about the disk are not counted. */
  failed(error: unknown): void {
    if (!(error instanceof StoreError)) return;
    const isNew = this.#problem?.message !== error.message;
    this.#problem = error;
    if (isNew) this.#changed(error.message);
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #retry(): void {
    if (this.#problem === undefined) return;
    if (this.#problem.code !== 'full' || (this.#freeBytes() ?? enoughBytes) >= enoughBytes) this.#try();
  }

  /** A disk may fill while nobody writes. */
  #look(): void {
    if (this.#problem === undefined && (this.#freeBytes() ?? 0) < scarceBytes) this.#try();
  }

  #try(): void {
    try {
      this.#probe();
      this.succeeded();
    } catch (error) {
      this.failed(fromSqlite(error, this.#path));
    }
  }

  /** Undefined where the file system does not tell: then only a write shows how it is. */
  #freeBytes(): number | undefined {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#path));
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }
}
