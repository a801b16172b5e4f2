/**
 * Runs one function on request, never twice at once and never more often than allowed. The first request runs at once. Requests
 * that come within the minimum interval are merged into one run. It also runs again after a failure, and after the maximum
 * interval without a request.
 */
import { type Clock, sleep } from '#client/clock.ts';

/** Intervals of a {@link SyncRunner}. */
export interface SyncRunnerOptions {
  minIntervalMs: number;
  /** Time until the next run after a failure. */
  retryIntervalMs: number;
  maxIntervalMs: number;
}

/** Runs a function on request, see {@link createSyncRunner}. */
export interface SyncRunner {
  request(): void;
  /** Settles once `signal` has aborted and the running sync has ended. */
  run(signal: AbortSignal): Promise<void>;
}

/** Makes a runner. `sync` returns whether it succeeded, and must not reject. */
export function createSyncRunner(clock: Clock, sync: () => Promise<boolean>, options: SyncRunnerOptions): SyncRunner {
  let requested = false;
  let wake: (() => void) | undefined;

  async function untilDue(delayMs: number, signal: AbortSignal): Promise<void> {
    if (requested || signal.aborted) return;
    const woken = new AbortController();
    wake = () => woken.abort();
    await sleep(clock, delayMs, AbortSignal.any([signal, woken.signal]));
    wake = undefined;
  }

  return {
    request() {
      requested = true;
      wake?.();
    },
    async run(signal) {
      let nextMs = options.maxIntervalMs;
      while (!signal.aborted) {
        await untilDue(nextMs, signal);
        if (signal.aborted) return;
        requested = false;
        nextMs = (await sync()) ? options.maxIntervalMs : Math.min(options.retryIntervalMs, options.maxIntervalMs);
        await sleep(clock, options.minIntervalMs, signal);
      }
    },
  };
}
