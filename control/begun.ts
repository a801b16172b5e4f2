/** Parts of a process that run before anybody waits for them. */

/**
 * A part that was begun, and is waited for later. Its failure is told by that wait. Without this, a failure before it would be
 * one that no code handles, and end the process as a defect does.
 */
export function begun<T>(part: Promise<T>): Promise<T> {
  part.catch(() => undefined);
  return part;
}
