/**
 * The work queue of a controller: keys, each at most once in it and never worked on twice at once; a key added while it
 * is worked on comes again afterwards.
 *
 * Source: client-go `util/workqueue` (queue, delaying queue, ItemExponentialFailureRateLimiter 5 ms … 1000 s).
 */
import type { Clock } from './clock.ts';

/** Keys that wait for workers. */
export interface WorkQueue {
  /** Waiting for a worker (not the delayed ones, not those being worked on). */
  readonly length: number;
  add(key: string): void;
  /** A key already due sooner stays due sooner. Not positive: now. */
  addAfter(key: string, delayMs: number): void;
  /** Adds after the key's back-off, which doubles with each call until {@link forget}. */
  addRateLimited(key: string): void;
  /** The key's work succeeded: its next back-off starts from the beginning. */
  forget(key: string): void;
  /** How often the key was added rate-limited since {@link forget}. */
  failures(key: string): number;
  /** The next key, which is the caller's until {@link done}; undefined once the queue is shut down and empty. */
  next(): Promise<string | undefined>;
  /** The work on a key has ended. A key that was added meanwhile is queued again. */
  done(key: string): void;
  /** Takes no more keys and drops the delayed ones; workers finish what is queued. */
  shutDown(): void;
  /** Resolves when the queue is shut down, empty, and no key is worked on. */
  drained(): Promise<void>;
}

/** Told of what happens in a queue; for metrics. */
export interface WorkQueueObserver {
  /** A key was queued that was not. */
  added(): void;
  /** A worker took a key that had waited so long. */
  started(key: string, waitedMs: number): void;
  /** Its work has ended. */
  ended(key: string, workedMs: number): void;
  /** A key was added rate-limited. */
  retried(): void;
}

/** The back-off of a queue. */
export interface WorkQueueOptions {
  /** Default 5 ms. */
  firstBackOffMs?: number;
  /** Default 1000 s. */
  maxBackOffMs?: number;
  observer?: WorkQueueObserver | undefined;
}

/** An empty queue. @param clock measures delays */
export function createWorkQueue(
  clock: Clock,
  { firstBackOffMs = 5, maxBackOffMs = 1_000_000, observer }: WorkQueueOptions = {},
): WorkQueue {
  const queued = new Set<string>();
  /** When keys were queued, or taken; kept only for the observer. */
  const [queuedMs, takenMs] = [new Map<string, number>(), new Map<string, number>()];
  const working = new Set<string>();
  /** Added while worked on: queued again at {@link WorkQueue.done}. */
  const again = new Set<string>();
  const delayed = new Map<string, { atMs: number; cancel: () => void }>();
  const failures = new Map<string, number>();
  const waiters: ((key: string | undefined) => void)[] = [];
  const drainWaiters: (() => void)[] = [];
  let shut = false;

  const take = (): string | undefined => {
    const [key] = queued;
    if (key === undefined) return undefined;
    queued.delete(key);
    working.add(key);
    if (observer !== undefined) {
      const nowMs = clock.monotonic();
      observer.started(key, nowMs - (queuedMs.get(key) ?? nowMs));
      queuedMs.delete(key);
      takenMs.set(key, nowMs);
    }
    return key;
  };
  const offer = (): void => {
    while (waiters.length > 0 && queued.size > 0) waiters.shift()?.(take());
  };
  const settleIfDrained = (): void => {
    if (!shut || queued.size > 0 || working.size > 0) return;
    for (const waiter of waiters.splice(0)) waiter(undefined);
    for (const waiter of drainWaiters.splice(0)) waiter();
  };

  const noteAdded = (key: string): void => {
    if (observer === undefined) return;
    observer.added();
    queuedMs.set(key, clock.monotonic());
  };

  const add = (key: string): void => {
    if (shut) return;
    if (working.has(key)) {
      if (!again.has(key)) noteAdded(key);
      again.add(key);
      return;
    }
    if (!queued.has(key)) noteAdded(key);
    queued.add(key);
    offer();
  };

  const addAfter = (key: string, delayMs: number): void => {
    if (shut) return;
    if (delayMs <= 0) {
      add(key);
      return;
    }
    const atMs = clock.monotonic() + delayMs;
    const earlier = delayed.get(key);
    if (earlier !== undefined) {
      if (earlier.atMs <= atMs) return;
      earlier.cancel();
    }
    const cancel = clock.after(delayMs, () => {
      delayed.delete(key);
      add(key);
    });
    delayed.set(key, { atMs, cancel });
  };

  return {
    get length() {
      return queued.size;
    },
    add,
    addAfter,
    addRateLimited(key) {
      observer?.retried();
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      addAfter(key, Math.min(maxBackOffMs, firstBackOffMs * 2 ** Math.min(count, 40)));
    },
    forget: (key) => void failures.delete(key),
    failures: (key) => failures.get(key) ?? 0,
    next: () => {
      const key = take();
      if (key !== undefined) return Promise.resolve(key);
      if (shut) return Promise.resolve(undefined);
      return new Promise((resolve) => waiters.push(resolve));
    },
    done(key) {
      working.delete(key);
      if (observer !== undefined) {
        observer.ended(key, clock.monotonic() - (takenMs.get(key) ?? 0));
        takenMs.delete(key);
      }
      if (again.delete(key)) {
        queued.add(key);
        offer();
      }
      settleIfDrained();
    },
    shutDown() {
      shut = true;
      for (const { cancel } of delayed.values()) cancel();
      delayed.clear();
      for (const waiter of waiters.splice(0)) waiter(undefined);
      settleIfDrained();
    },
    drained: () =>
      new Promise((resolve) => {
        drainWaiters.push(resolve);
        settleIfDrained();
      }),
  };
}
