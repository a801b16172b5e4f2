/**
 * Delivers watches: live events when they are committed, and earlier ones from the log. Each change is delivered once and in
 * order.
 *
 * A watcher is registered before its replay begins, so no change is lost in between:
 *
 * replaying ──(log read up to where live began)──▶ live ──(queue too long)──▶ behind ──(asks again)──▶ replaying
 *
 * A slow consumer costs no memory: its queue is dropped, and it continues from the log.
 */
import type { ChangesOperation, ChangesResult } from './sqlite-protocol.ts';
import type { StoreEvent } from './store.ts';

/** One batch of events. */
export interface WatchBatch {
  events: StoreEvent[];
  progressRevision: number;
}

type ReadLog = (part: Omit<ChangesOperation, 'op'>) => Promise<ChangesResult>;

const MAX_QUEUED_EVENTS = 1_000;
const MAX_QUEUED_BYTES = 8 << 20;

/** All watchers of a store. */
export class WatchHub {
  readonly #watchers = new Set<Watcher>();
  readonly #readLog: ReadLog;
  #revision: number;
  #end: { error: Error | undefined } | undefined;

  constructor(revision: number, readLog: ReadLog) {
    this.#revision = revision;
    this.#readLog = readLog;
  }

  /** The newest published revision. It is durable, and queued for every watcher that is live. */
  get revision(): number {
    return this.#revision;
  }

  /** Publishes changes. @param events the changes after the last published revision, in order, up to `revision` */
  publish(events: readonly StoreEvent[], revision: number): void {
    if (revision === this.#revision) return;
    this.#revision = revision;
    for (const watcher of this.#watchers) watcher.offer(events, revision);
  }

  /**
   * Goes on at a later revision without the changes up to there. Watchers read them from the log, which says what of it is lost.
   */
  skip(revision: number): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    for (const watcher of this.#watchers) watcher.fallBehind();
  }

  /** Ends all present and future watches: normally, or with `error`. */
  end(error: Error | undefined): void {
    this.#end ??= { error };
    for (const watcher of this.#watchers) watcher.wake();
  }

  async *watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncGenerator<WatchBatch, void, undefined> {
    const watcher = new Watcher(prefix, afterRevision, this.#readLog);
    const wake = (): void => watcher.wake();
    this.#watchers.add(watcher);
    signal.addEventListener('abort', wake, { once: true });
    try {
      for (;;) {
        if (signal.aborted) return;
        if (this.#end?.error !== undefined) throw this.#end.error;
        if (this.#end !== undefined) return;
        const batch = await watcher.next(this.#revision);
        if (batch !== undefined && !signal.aborted) yield batch;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }
}

/** The events of one watcher after `from`, up to `through`. */
interface LiveQueue {
  from: number;
  through: number;
  queue: StoreEvent[];
  bytes: number;
}

class Watcher {
  readonly #prefix: string;
  readonly #readLog: ReadLog;
  /** Everything up to this revision was delivered. */
  #position: number;
  #live: LiveQueue | undefined;
  #startReported = false;
  #wake: (() => void) | undefined;

  constructor(prefix: string, afterRevision: number, readLog: ReadLog) {
    this.#prefix = prefix;
    this.#position = afterRevision;
    this.#readLog = readLog;
  }

  offer(events: readonly StoreEvent[], revision: number): void {
    if (this.#live === undefined) return;
    this.#live.through = revision;
    for (const event of events) {
      if (event.revision <= this.#position || !event.entry.key.startsWith(this.#prefix)) continue;
      this.#live.queue.push(event);
      this.#live.bytes += event.entry.value.byteLength;
    }
    if (this.#live.queue.length > MAX_QUEUED_EVENTS || this.#live.bytes > MAX_QUEUED_BYTES) this.#live = undefined;
    this.wake();
  }

  /** What is queued is dropped, and read from the log. */
  fallBehind(): void {
    this.#live = undefined;
    this.wake();
  }

  wake(): void {
    this.#wake?.();
  }

  /** The next batch. Undefined after {@link wake} without a batch: the caller then checks whether to continue. */
  async next(currentRevision: number): Promise<WatchBatch | undefined> {
    this.#live ??= { from: currentRevision, through: currentRevision, queue: [], bytes: 0 };
    if (this.#position < this.#live.from) return await this.#replay(this.#live.from);
    if (this.#live.through > this.#position || (!this.#startReported && this.#live.through === this.#position))
      return this.#drain(this.#live);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    return undefined;
  }

  async #replay(through: number): Promise<WatchBatch> {
    const part = await this.#readLog({ prefix: this.#prefix, after: this.#position, through });
    this.#position = part.through;
    this.#startReported = true;
    return { events: part.events, progressRevision: part.through };
  }

  #drain(live: LiveQueue): WatchBatch {
    const events = live.queue;
    live.queue = [];
    live.bytes = 0;
    live.from = live.through;
    this.#position = live.through;
    this.#startReported = true;
    return { events, progressRevision: live.through };
  }
}
