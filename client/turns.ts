/**
 * Turns of the event loop for work that takes long. A thread has one event loop, so there is one queue: however many pieces of long work
 * are under way, one of them at most runs in a turn, and everything that has arrived is served before the next one runs.
 *
 * Source: nodejs.org, "The Node.js Event Loop" (the phases: an immediate that an I/O callback sets runs before the next I/O is looked at).
 */

import type { Steps } from '#api/steps.ts';

const waiting: (() => void)[] = [];

/** Resolves in a turn of its own, after all that had arrived by now. */
export function letOthersIn(): Promise<void> {
  return new Promise((resolve) => {
    // Two immediates: the first may still be in this turn, before anything else has been looked at.
    if (waiting.push(resolve) === 1) setImmediate(() => setImmediate(nextTurn));
  });
}

function nextTurn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(nextTurn);
}

/** Does each step in a turn of its own, the first one included. @throws what a step throws */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    await letOthersIn();
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
