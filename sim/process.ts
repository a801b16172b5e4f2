/** A simulated process: it has a clock and an end. What it had set on its clock when it was killed never happens. */
import type { Clock } from '#client/clock.ts';
import type { Endpoint } from './network.ts';
import type { VirtualTime } from './virtual-time.ts';

/** One life of a process. */
export interface Process extends Endpoint {
  readonly clock: Clock;
  /** Never aborts: a process that is killed is told nothing. */
  readonly signal: AbortSignal;
  kill(): void;
}

/** A process that runs until it is killed. */
export function startProcess(name: string, time: VirtualTime): Process {
  let isAlive = true;
  return {
    name,
    get isAlive() {
      return isAlive;
    },
    signal: new AbortController().signal,
    clock: {
      now: () => time.now(),
      monotonic: () => time.monotonic(),
      after: (delayMs, callback) =>
        time.after(delayMs, () => {
          if (isAlive) callback();
        }),
    },
    kill() {
      isAlive = false;
    },
  };
}
