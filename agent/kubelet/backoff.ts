/**
 * Exponential back-off per key: 10 s, doubling to 300 s, forgotten after a quiet time. Serves CrashLoopBackOff and image pulls.
 *
 * Source: client-go `util/flowcontrol/backoff.go`; upstream kubelet's 10 s / 5 min, reset after twice the maximum.
 */
import type { Clock } from '#client/clock.ts';

/** The growing delays between failed attempts, by a key that the caller chooses. */
export interface BackOff {
  /** The present delay of `key`; 0 when there is none. */
  delayMs(key: string): number;
  /** Whether `key` must still wait, counted from `sinceMs` (the end of the last try). */
  isWaiting(key: string, sinceMs: number): boolean;
  /** When the wait counted from `sinceMs` is over, in ms since the epoch. */
  endsAtMs(key: string, sinceMs: number): number;
  /** Whether `key` must still wait, counted from its last {@link next}. */
  isWaitingSinceUpdate(key: string): boolean;
  /** When the wait counted from the last {@link next} is over, in ms since the epoch. */
  endsAtSinceUpdateMs(key: string): number;
  /** Starts the delay, or doubles it; starts over when the last event was long before `atMs`. */
  next(key: string, atMs: number): void;
  /** Forgets `key`: its next delay is the first one again. */
  reset(key: string): void;
  /** Drops entries that have been quiet for twice the maximum. */
  collect(): void;
}

/** `initialMs`: the first delay. `maxMs`: where doubling ends. */
export interface BackOffOptions {
  initialMs: number;
  maxMs: number;
}

/** A back-off whose keys are forgotten after twice `maxMs` without a failure. */
export function createBackOff(clock: Clock, { initialMs, maxMs }: BackOffOptions): BackOff {
  const entries = new Map<string, { delayMs: number; updatedMs: number }>();
  const resetAfterMs = 2 * maxMs;
  const ends = (key: string, sinceMs: number): number => sinceMs + (entries.get(key)?.delayMs ?? 0);
  return {
    delayMs: (key) => entries.get(key)?.delayMs ?? 0,
    isWaiting(key, sinceMs) {
      const entry = entries.get(key);
      if (entry === undefined || sinceMs - entry.updatedMs > resetAfterMs) return false;
      return clock.now() - sinceMs < entry.delayMs;
    },
    endsAtMs: ends,
    isWaitingSinceUpdate(key) {
      const entry = entries.get(key);
      return entry !== undefined && clock.now() - entry.updatedMs < entry.delayMs;
    },
    endsAtSinceUpdateMs: (key) => ends(key, entries.get(key)?.updatedMs ?? clock.now()),
    next(key, atMs) {
      const entry = entries.get(key);
      const startOver = entry === undefined || atMs - entry.updatedMs > resetAfterMs;
      entries.set(key, { delayMs: startOver ? initialMs : Math.min(entry.delayMs * 2, maxMs), updatedMs: clock.now() });
    },
    reset: (key) => void entries.delete(key),
    collect() {
      for (const [key, { updatedMs }] of entries) if (clock.now() - updatedMs > resetAfterMs) entries.delete(key);
    },
  };
}

/** A duration as Go prints it. Pure: `10s`, `1m20s`, `5m0s`, `1.5s`, `250ms`. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 1) return `${Math.round(ms * 1000)}µs`;
  if (ms < 1000) return `${Number(ms.toFixed(3))}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = Number(((ms % 60_000) / 1000).toFixed(9));
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
