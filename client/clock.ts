/** Time as a parameter, so that the whole control plane can run on a fake clock. */
import { VirtualTime } from './virtual-time.ts';

/** All that code may know of time. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  now(): number;
  /**
   * Milliseconds since some moment, for durations: unlike {@link now} it is never set, and on Linux it stands still while the
   * machine sleeps: after a laptop wakes up, nothing looks as if it had been silent for hours.
   */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    let timer: NodeJS.Timeout;
    const arm = (remainingMs: number): void => {
      const stepMs = Math.min(Math.max(0, remainingMs), maxTimerMs);
      timer = setTimeout(() => (remainingMs > stepMs ? arm(remainingMs - stepMs) : callback()), stepMs);
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};

/** A longer timer of Node fires at once (its delay is a 32-bit number): long waits are made of several. */
const maxTimerMs = 2 ** 31 - 1;

/** Resolves after `delayMs` on `clock`, or at once when `signal` aborts (it never rejects: callers look at the signal). */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const cancel = clock.after(delayMs, () => {
      forget?.();
      resolve();
    });
    const stop = (): void => {
      cancel();
      resolve();
    };
    const forget = signal === undefined ? undefined : onceAborted(signal, stop);
  });
}

/**
 * Who waits for each signal. A signal goes through all of its listeners whenever one is added or removed: thousands that sleep until the same
 * end would spend their time on that, so they share one listener.
 */
const sleepers = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `wake` when the signal aborts. @returns forgets it */
function onceAborted(signal: AbortSignal, wake: () => void): () => void {
  let waiting = sleepers.get(signal);
  if (waiting === undefined) {
    const all = new Set<() => void>();
    waiting = all;
    sleepers.set(signal, all);
    const wakeAll = (): void => {
      for (const one of all) one();
      all.clear();
    };
    signal.addEventListener('abort', wakeAll, { once: true });
  }
  waiting.add(wake);
  return () => waiting.delete(wake);
}

/** Resolves with whether `work` was done before `limitMs` ran out, or `signal` aborted. @throws what `work` throws before that */
export async function within(clock: Clock, limitMs: number, work: Promise<unknown>, signal?: AbortSignal): Promise<boolean> {
  const pause = new AbortController();
  const stop = signal === undefined ? pause.signal : AbortSignal.any([pause.signal, signal]);
  try {
    return await Promise.race([work.then(() => true), sleep(clock, limitMs, stop).then(() => false)]);
  } finally {
    pause.abort();
  }
}

/** A clock that stands still until a test moves it. Timers fire in the order of their times, during {@link advance}. */
export class FakeClock extends VirtualTime implements Clock {
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    super(startMs);
  }

  /** Moves the time on, fires what falls due, and lets pending promise callbacks run between timers. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.monotonic() + byMs;
    await settle();
    while ((this.nextMs() ?? Number.POSITIVE_INFINITY) <= untilMs) {
      this.step();
      await settle();
    }
    this.passTo(untilMs);
    await settle();
  }
}

/** Lets promise chains and in-process I/O callbacks run to rest. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}
