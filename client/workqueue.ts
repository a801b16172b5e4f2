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
  /** The key's work succeeded: its next back-off starts anew. */
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

/** The back-off of a queue. */
export interface WorkQueueOptions {
  /** Default 5 ms. */
  firstBackOffMs?: number;
  /** Default 1000 s. */
  maxBackOffMs?: number;
}

/** An empty queue. @param clock measures delays */
export function createWorkQueue(
  clock: Clock,
  { firstBackOffMs = 5, maxBackOffMs = 1_000_000 }: WorkQueueOptions = {},
): WorkQueue {
  const queued = new Set<string>();
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

  const add = (key: string): void => {
    if (shut) return;
    if (working.has(key)) {
      again.add(key);
      return;
    }
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
