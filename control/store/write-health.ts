/**
 * Tracks whether writes reach the disk. After a failure it probes, so that a recovery is detected without a write of a client.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fromSqlite, StoreError } from './errors.ts';

/** Interval of probes after a failure. */
const retryMs = 1_000;
const lookMs = 5_000;
/** With fewer free bytes than this, only a real write shows whether a write still fits, so it probes. */
const scarceBytes = 64 << 10;
/** A full disk counts as recovered with this many free bytes. With fewer, one page may fit and the next may not. */
const enoughBytes = 256 << 10;

/** Tracks whether writes reach the disk. */
export class WriteHealth {
  readonly #path: string;
  readonly #probe: () => void;
  readonly #changed: (problem: string | undefined) => void;
  readonly #timers: NodeJS.Timeout[];
  #problem: StoreError | undefined;

  /**
   * @param probe commits a small change, or throws
   * @param changed is called at the first failure, and at the first success after it
   */
  constructor(path: string, probe: () => void, changed: (problem: string | undefined) => void) {
    this.#path = path;
    this.#probe = probe;
    this.#changed = changed;
    this.#timers = [setInterval(() => this.#retry(), retryMs).unref(), setInterval(() => this.#look(), lookMs).unref()];
  }

  /** Records a successful write. */
  succeeded(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#changed(undefined);
  }

  /** Records a failed write. Errors that have nothing to do with the disk are ignored. */
  failed(error: unknown): void {
    if (!(error instanceof StoreError)) return;
    const isNew = this.#problem?.message !== error.message;
    this.#problem = error;
    if (isNew) this.#changed(error.message);
  }

  /** Stops probing. */
  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #retry(): void {
    if (this.#problem === undefined) return;
    if (this.#problem.code !== 'full' || (this.#freeBytes() ?? enoughBytes) >= enoughBytes) this.#try();
  }

  /** Checks the free space, because a disk may become full while there are no writes. */
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

  /**
   * Free bytes of the file system. Undefined when the system does not report them: then only a write shows whether it is full.
   */
  #freeBytes(): number | undefined {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#path));
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }
}
