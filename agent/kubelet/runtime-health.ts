/** Watches whether the container runtime and its network are ready. Source: upstream `pkg/kubelet/runtime.go`. */

import type { Logger } from 'pino';
import type { ContainerRuntime, RuntimeStatus, RuntimeVersion } from '#agent/runtime/runtime.ts';
import { sameJson } from '#api/meta.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';

export interface RuntimeHealth {
  /** As of the last look; undefined when it did not answer. */
  status(): RuntimeStatus | undefined;
  version(): RuntimeVersion | undefined;
  /** Settles at the runtime's first answer. Rejects never; looks until `signal` aborts. */
  untilAnswering(signal: AbortSignal): Promise<RuntimeVersion | undefined>;
  run(signal: AbortSignal): Promise<void>;
}

const readyPollMs = 5_000;
const unreadyPollMs = 500;
/** How often the log repeats that the runtime does not answer. */
const reminderMs = 30_000;

export function createRuntimeHealth(deps: {
  runtime: ContainerRuntime;
  clock: Clock;
  log: Logger;
  changed: () => void;
}): RuntimeHealth {
  const { runtime, clock, log } = deps;
  let status: RuntimeStatus | undefined;
  let version: RuntimeVersion | undefined;
  let failure: unknown;

  async function look(): Promise<void> {
    const before = status;
    try {
      version = await runtime.version();
      status = await runtime.status();
    } catch (error) {
      failure = error;
      if (before !== undefined) log.warn({ err: error }, 'the container runtime does not answer');
      status = undefined;
    }
    if (!sameJson(before?.conditions, status?.conditions)) deps.changed();
  }

  const isReady = (): boolean => status?.conditions.every((condition) => condition.status) === true;

  return {
    status: () => status,
    version: () => version,
    async untilAnswering(signal) {
      let toldMs = Number.NEGATIVE_INFINITY;
      while (!signal.aborted) {
        await look();
        if (status !== undefined) return version;
        if (clock.now() - toldMs >= reminderMs) {
          log.warn(
            { err: failure },
            'the container runtime does not answer: waiting for it (is it running? see --container-runtime-endpoint)',
          );
          toldMs = clock.now();
        }
        await sleep(clock, unreadyPollMs, signal);
      }
      return undefined;
    },
    async run(signal) {
      while (!signal.aborted) {
        await sleep(clock, isReady() ? readyPollMs : unreadyPollMs, signal);
        if (!signal.aborted) await look();
      }
    },
  };
}
