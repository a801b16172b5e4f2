/** Watches whether the container runtime and its network are ready. Source: upstream `pkg/kubelet/runtime.go`. */

import type { Logger } from 'pino';
import type { ContainerRuntime, RuntimeStatus, RuntimeVersion } from '#agent/runtime/runtime.ts';
import { sameJson } from '#api/meta.ts';
import type { Clock } from '#client/clock.ts';
import { sleep, within } from '#client/clock.ts';

/** The runtime's last status, and whether the runtime answers. */
export interface RuntimeHealth {
  /** The runtime's last answer about its conditions; undefined before the first one. */
  status(): RuntimeStatus | undefined;
  version(): RuntimeVersion | undefined;
  /**
   * Upstream's message for a node that is not ready because of its runtime. Undefined while the runtime answers, and for a short time
   * after.
   */
  problem(): string | undefined;
  /** Resolves to the runtime's first answer, or to undefined when `signal` aborts. Never rejects. */
  untilAnswering(signal: AbortSignal): Promise<RuntimeVersion | undefined>;
  run(signal: AbortSignal): Promise<void>;
}

const readyPollMs = 5_000;
const unreadyPollMs = 500;
/** How often the log repeats that the runtime does not answer. */
const reminderMs = 30_000;
/**
 * A runtime counts as down after this time without a good answer. A restart of the runtime takes less and must not make the node unready.
 * Upstream waits 30 s from the last good answer; together with the time between two calls, ours is not longer.
 */
const silenceMs = 20_000;

/** @param deps `changed` is called when the answer changed, or the runtime began or stopped answering */
export function createRuntimeHealth(deps: {
  runtime: Pick<ContainerRuntime, 'version' | 'status'>;
  clock: Clock;
  log: Logger;
  changed: () => void;
}): RuntimeHealth {
  const { runtime, clock, log } = deps;
  let status: RuntimeStatus | undefined;
  let version: RuntimeVersion | undefined;
  let failure: unknown;
  let failed = false;
  let down = false;
  /** Start of the oldest call without a good answer, in monotonic milliseconds. */
  let openSinceMs: number | undefined;
  let asking: Promise<void> | undefined;

  function giveUp(): void {
    if (down) return;
    down = true;
    log.warn({ err: failure, silenceMs }, 'the container runtime does not answer: the node is not ready');
    deps.changed();
  }

  async function ask(): Promise<void> {
    const since = (openSinceMs ??= clock.monotonic());
    const leftMs = (): number => silenceMs - (clock.monotonic() - since);
    const cancel = clock.after(Math.max(0, leftMs()), giveUp);
    const before = status;
    try {
      version = await runtime.version();
      status = await runtime.status();
      failed = false;
      failure = undefined;
    } catch (error) {
      if (!failed) log.warn({ err: error }, 'the container runtime could not be asked for its status');
      failed = true;
      failure = error;
    } finally {
      cancel();
    }
    const wasDown = down;
    const isUp = !failed && status?.conditions.every(({ type, status: good }) => type !== 'RuntimeReady' || good) === true;
    if (isUp) {
      openSinceMs = undefined;
      down = false;
      if (wasDown) log.info('the container runtime answers again');
    } else if (leftMs() <= 0) giveUp();
    if ((wasDown && !down) || !sameJson(before?.conditions, status?.conditions)) deps.changed();
  }

  /** Calls the runtime, unless a call is under way: while it hangs, more calls would only pile up. */
  function look(): Promise<void> {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  const isReady = (): boolean => !failed && status?.conditions.every((condition) => condition.status) === true;

  return {
    status: () => status,
    version: () => version,
    problem: () => (down ? 'container runtime is down' : undefined),
    async untilAnswering(signal) {
      let toldMs = Number.NEGATIVE_INFINITY;
      while (!signal.aborted) {
        // Does not wait longer for a call that hangs, so that the log reports it and the kubelet can stop.
        await within(clock, reminderMs, look(), signal);
        if (status !== undefined) return version;
        if (clock.monotonic() - toldMs >= reminderMs) {
          log.warn(
            { err: failure },
            'the container runtime does not answer: waiting for it (is it running? see --container-runtime-endpoint)',
          );
          toldMs = clock.monotonic();
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
