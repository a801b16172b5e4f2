/**
 * A lane lets a fixed number of pieces of heavy work run at the same time, in the order in which they came.
 *
 * A hundred sandboxes that are made at once share the machine evenly, so all of them are ready late. A few at a time take as
 * long altogether, but most are ready early. Starts and stops have a lane each, so neither waits behind the other.
 */
import type { Clock } from '#client/clock.ts';

/** A queue for heavy work, of which only so much is done at a time. */
export interface Lane {
  /** Runs `work` when its turn comes. @throws what `work` throws; the signal's reason when that aborts before its turn */
  run<Value>(work: () => Promise<Value>, options?: LaneOptions): Promise<Value>;
}

/**
 * Which work goes first. `begun`: work on a pod whose start or stop has begun, so that pods are ready, or gone, one after the
 * other and not all at the end. `new`: work on the next pod. `later`: work that nobody waits for.
 */
export type LaneTurn = 'begun' | 'new' | 'later';

/** How one piece of work waits for its turn. */
export interface LaneOptions {
  /** Default: new. */
  turn?: LaneTurn | undefined;
  /** After this time in ms the next work gets the place, even when this work has not ended. Default: 10 s. */
  lendAfterMs?: number | undefined;
  /** Ends the wait for a turn at once. Work that has begun goes on. */
  signal?: AbortSignal | undefined;
}

/** The lanes for the kubelet's work on the container runtime, one per kind of work. */
export interface Lanes {
  starts: Lane;
  stops: Lane;
  /** For giving back volumes and control groups, once a pod has stopped. */
  releases: Lane;
}

/** Work that lasts longer is probably waiting for something other than CPU and disk, so the next one may start beside it. */
const defaultLendAfterMs = 10_000;

/** A lane with `width` places. */
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

/** The lanes of a node. Twice as many places as CPUs: a start waits for disks and locks for about half of its time. */
export const createLanes = (clock: Clock, cpuCount: number): Lanes => ({
  starts: createLane(clock, Math.max(4, 2 * cpuCount)),
  stops: createLane(clock, Math.max(4, 2 * cpuCount)),
  // As many places as Node has threads for files. With more, all pods would share the threads and leave late.
  releases: createLane(clock, 4),
});
