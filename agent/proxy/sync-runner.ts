/**
 * Runs one function on request, never twice at once and, in the long run, never more often than allowed. A request runs at once when
 * there was none for a while; so does the next one, because one action of a user often makes two changes (a Service, then its EndpointSlice).
 * Further requests within the minimum interval are merged into one run. It also runs again after a failure, and after the maximum interval
 * without a request.
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

/** How many runs may follow each other at once after a pause. */
const burst = 2;

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
      /** Time of pauses that has been saved up for runs. Each run takes the minimum interval of it. */
      let savedMs = burst * options.minIntervalMs;
      let endedMs = clock.now();
      while (!signal.aborted) {
        await untilDue(nextMs, signal);
        savedMs = Math.min(burst * options.minIntervalMs, savedMs + clock.now() - endedMs);
        const missingMs = options.minIntervalMs - savedMs;
        if (missingMs > 0) {
          await sleep(clock, missingMs, signal);
          savedMs += missingMs;
        }
        if (signal.aborted) return;
        savedMs -= options.minIntervalMs;
        requested = false;
        nextMs = (await sync()) ? options.maxIntervalMs : Math.min(options.retryIntervalMs, options.maxIntervalMs);
        endedMs = clock.now();
      }
    },
  };
}
