/** Waits for a condition outside of this process. */

import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '#api/error-text.ts';

type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>;

/** Options of {@link until}. */
export interface UntilOptions {
  timeoutMs: number;
  everyMs?: number;
  /** Text to add to the error: the end of a log, or the last state. */
  onTimeout?: () => Promise<string> | string;
}

/**
 * Calls `ask` until its result is truthy, and returns it. An exception counts as "not yet"; the last one becomes the error's
 * cause.
 * @throws Error "waited … for …" after the time
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  { timeoutMs, everyMs = 50, onTimeout }: UntilOptions,
): Promise<Truthy<T>> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer as Truthy<T>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) break;
    await delay(everyMs);
  }
  const detail = [last === undefined ? undefined : errorText(last), await onTimeout?.()]
    .filter((text) => text !== undefined && text !== '')
    .join('; ');
  throw new Error(`waited ${timeoutMs / 1000} s for: ${what}${detail === '' ? '' : ` (${detail})`}`, { cause: last });
}
