/** A simulated process with its own clock. After it was killed, its timers never fire. */
import type { Clock } from '#client/clock.ts';
import type { VirtualTime } from '#client/virtual-time.ts';
import type { Endpoint } from './network.ts';

/** A running process. A restart makes a new one. */
export interface Process extends Endpoint {
  readonly clock: Clock;
  /** Never aborts, because a killed process gets no notice. */
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
