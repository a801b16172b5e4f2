/**
 * Limits concurrent access to paths that may block for ever: a hostPath can be on a network or FUSE filesystem whose server is gone. Each
 * blocked call occupies one of Node's four filesystem threads; the limit keeps the other threads free.
 */
import type { Clock } from '#client/clock.ts';

/** Access to paths whose filesystem may not answer. */
export interface PathGate {
  /**
   * Runs `work`, which accesses `path`. Work that does not end in time is abandoned, but keeps its place until it ends.
   * @throws Error `<path> does not answer …` when it, or those before it, take too long
   */
  run<T>(path: string, work: () => Promise<T>): Promise<T>;
}

/** How many calls may run at once. Node has four threads for files. */
const places = 2;
/** How long one call may wait for its place, and then again how long it may take. */
const limitMs = 10_000;

/** Allows two calls at a time, each for at most 10 s, and only one call per path. */
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

  /** Waits for a free place, and until no other call uses this path: a second thread would only block on the same filesystem. */
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
