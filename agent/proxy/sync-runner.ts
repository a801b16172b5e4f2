/**
 * Runs one function on request, never twice at once and never more often than allowed: the first request at once, those
 * that come meanwhile together afterwards; again after a failure, and after a long time in any case.
 */
import { type Clock, sleep } from '#client/clock.ts';

export interface SyncRunnerOptions {
  minIntervalMs: number;
  /** After a failure. */
  retryIntervalMs: number;
  maxIntervalMs: number;
}

export interface SyncRunner {
  request(): void;
  /** Settles once `signal` has aborted and a sync under way has ended. */
  run(signal: AbortSignal): Promise<void>;
}

/** `sync` answers whether it succeeded; it must not reject. */
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
