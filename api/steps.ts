/** Work in steps. Whoever does it decides what happens between them: nothing, or a turn of the event loop (`client/turns.ts`). */

/** Work that can be interrupted where it yields. */
export type Steps<T> = Generator<void, T, void>;

/** Does all of it now. @throws what a step throws */
export function atOnce<T>(steps: Steps<T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
}
