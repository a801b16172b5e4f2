/** Resolves when the signal aborts, at once when it has. It leaves no listener behind on an abort; a signal that never aborts keeps one. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
