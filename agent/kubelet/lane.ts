/**
 * A lane lets so many pieces of heavy work run at a time, first come, first served.
 *
 * A hundred sandboxes made at once share the machine so evenly that all of them are ready late; a few at a time take as long
 * altogether, and most are ready early. Starts and stops have a lane each, so neither waits behind the other.
 */
import type { Clock } from '#client/clock.ts';

export interface Lane {
  /** Runs `work` when its turn comes. @throws what `work` throws; the signal's reason when that aborts before its turn */
  run<Value>(work: () => Promise<Value>, options?: LaneOptions): Promise<Value>;
}

/**
 * Who goes first. `begun`: what finishes something that has begun, so that pods are ready, or gone, one after the other and not
 * all at the end. `later`: what nobody waits for.
 */
export type LaneTurn = 'begun' | 'new' | 'later';

export interface LaneOptions {
  /** Default: new. */
  turn?: LaneTurn | undefined;
  /** After that time the next one gets its turn, whether this has ended or not. Default: 10 s. */
  lendAfterMs?: number | undefined;
  /** Gives up waiting, at once. Work that has begun is not ended by it. */
  signal?: AbortSignal | undefined;
}

/** What the kubelet's work on the container runtime goes through. */
export interface Lanes {
  starts: Lane;
  stops: Lane;
  /** Of volumes and control groups, once a pod has stopped. */
  releases: Lane;
}

/** Work that lasts longer waits for something else than this machine, and no longer keeps others from their turn. */
const defaultLendAfterMs = 10_000;

export function createLane(clock: Clock, width: number): Lane {
  let free = width;
  const waiting: Record<LaneTurn, (() => void)[]> = { begun: [], new: [], later: [] };

  function giveBack(): void {
    const next = waiting.begun.shift() ?? waiting.new.shift() ?? waiting.later.shift();
    if (next === undefined) free++;
    else next();
  }

  function wait(turn: LaneTurn, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        waiting[turn] = waiting[turn].filter((other) => other !== begin);
        reject(signal?.reason);
      };
      waiting[turn].push(begin);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  return {
    async run(work, { turn = 'new', lendAfterMs = defaultLendAfterMs, signal } = {}) {
      signal?.throwIfAborted();
      if (free > 0) free--;
      else await wait(turn, signal);
      let isHeld = true;
      const leave = (): void => {
        if (isHeld) giveBack();
        isHeld = false;
      };
      const cancel = clock.after(lendAfterMs, leave);
      try {
        return await work();
      } finally {
        cancel();
        leave();
      }
    },
  };
}

/** Twice as many as there are CPUs: a start waits for disks and locks for about half of its time. */
export const createLanes = (clock: Clock, cpuCount: number): Lanes => ({
  starts: createLane(clock, Math.max(4, 2 * cpuCount)),
  stops: createLane(clock, Math.max(4, 2 * cpuCount)),
  // As many as Node has threads for files: more would share them so evenly that no pod leaves before all can.
  releases: createLane(clock, 4),
});
