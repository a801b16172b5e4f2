/**
 * Turns of the event loop for work that takes long. A thread has one event loop, so there is one queue: however many pieces of long work
 * are under way, one of them at most runs in a turn, and everything that has arrived is served before the next one runs.
 *
 * Source: nodejs.org, "The Node.js Event Loop" (the phases: an immediate that an I/O callback sets runs before the next I/O is looked at).
 */

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

/** Work that can be interrupted where it yields, so that each step has a turn of its own. */
export type Steps<T> = Generator<void, T, void>;

/** Does all of it now. @throws what a step throws */
export function atOnce<T>(steps: Steps<T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
}

/** Does each step in a turn of its own, the first one included. @throws what a step throws */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    await letOthersIn();
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
