/**
 * Lets few at a time touch paths that may never answer: a hostPath can lie on a network or FUSE filesystem whose other side is gone.
 * Each such call holds one of Node's four threads for files until the kernel gives up, if it ever does; the other threads stay free.
 */
import type { Clock } from '#client/clock.ts';

/** A gate before all paths that may lie on a filesystem that does not answer. */
export interface PathGate {
  /**
   * Runs `work`, which touches `path`. Work that does not end in time is left alone, and keeps its place.
   * @throws Error `<path> does not answer …` when it, or those before it, take too long
   */
  run<T>(path: string, work: () => Promise<T>): Promise<T>;
}

/** How many calls may run at once. Node has four threads for files. */
const places = 2;
/** How long one call may wait for its place, and then again how long it may take. */
const limitMs = 10_000;

/** A gate that two calls pass at a time, each for at most 10 s; a path that is being touched is not touched by a second call. */
export function createPathGate(clock: Clock): PathGate {
  /** Paths of the work that is going on. */
  const busy: string[] = [];
  const waiting: (() => void)[] = [];

  const lookAgain = (): void => {
    for (const look of waiting.splice(0)) look();
  };

  const silent = (path: string): Error =>
    new Error(`${path} does not answer: the node still waits for ${[...new Set(busy)].join(' and ')}; is a filesystem away?`);

  function within<T>(path: string, promise: Promise<T>, gaveUp: () => void = () => undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = clock.after(limitMs, () => {
        gaveUp();
        reject(silent(path));
      });
      void promise.then(resolve, reject).finally(cancel);
    });
  }

  /** Takes a place, when one is free and nobody is at this very path: another thread would only wait for the same. */
  async function enter(path: string): Promise<void> {
    let isOver = false;
    const turn = async (): Promise<void> => {
      while (!isOver && (busy.length >= places || busy.includes(path)))
        await new Promise<void>((resolve) => waiting.push(resolve));
      if (!isOver) busy.push(path);
    };
    await within(path, turn(), () => {
      isOver = true;
      lookAgain();
    });
  }

  return {
    async run(path, work) {
      await enter(path);
      const done = work().finally(() => {
        busy.splice(busy.indexOf(path), 1);
        lookAgain();
      });
      return within(path, done);
    },
  };
}
