/**
 * The pod lifecycle event generator: tells which pods changed in the runtime. The runtime's events only cause a look; a slow
 * relist catches what they miss. Source: KEP-3386; upstream `pkg/kubelet/pleg`.
 */

import type { Logger } from 'pino';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { goDuration } from '../backoff.ts';
import type { PodLabels } from '../container/labels.ts';
import { parsePodLabels } from '../container/labels.ts';

export interface PlegDeps {
  runtime: ContainerRuntime;
  clock: Clock;
  log: Logger;
  /** Something of this pod is not as it was at the last look. */
  changed: (podUid: string) => void;
}

export interface Pleg {
  /** Pods that the runtime had at the last look, by UID. */
  pods(): ReadonlyMap<string, PodLabels>;
  /** Whether a look succeeded lately: part of the node's readiness. */
  healthy(): string | undefined;
  relist(): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
}

const relistMs = 5_000;
const resubscribeMs = 1_000;
const maxPauseMs = 1_000;
/** Upstream's threshold for `PLEG is not healthy`. */
const unhealthyAfterMs = 180_000;

export function createPleg({ runtime, clock, log, changed }: PlegDeps): Pleg {
  let states = new Map<string, string>();
  let pods = new Map<string, PodLabels>();
  let lastLookMs: number | undefined;
  let looking: Promise<void> | undefined;
  let again = false;

  async function look(): Promise<void> {
    const [sandboxes, containers] = await Promise.all([runtime.listPodSandbox(), runtime.listContainers()]);
    const parts = new Map<string, string[]>();
    const found = new Map<string, PodLabels>();
    for (const { id, state, labels } of [...sandboxes, ...containers]) {
      const pod = parsePodLabels(labels);
      if (pod === undefined) continue;
      found.set(pod.uid, pod);
      parts.set(pod.uid, [...(parts.get(pod.uid) ?? []), `${id}=${state}`]);
    }
    const fresh = new Map([...parts].map(([uid, list]) => [uid, list.sort().join(' ')]));
    const previous = states;
    states = fresh;
    pods = found;
    lastLookMs = clock.monotonic();
    for (const uid of new Set([...previous.keys(), ...fresh.keys()])) if (previous.get(uid) !== fresh.get(uid)) changed(uid);
  }

  /**
   * One look at a time; a request during a look makes for one more. A pause as long as the look keeps a busy runtime, whose every
   * event asks for a look, from doing little but answering them.
   */
  async function relist(): Promise<void> {
    if (looking !== undefined) {
      again = true;
      return looking;
    }
    looking = (async () => {
      do {
        again = false;
        const startMs = clock.monotonic();
        await look();
        if (again) await sleep(clock, Math.min(clock.monotonic() - startMs, maxPauseMs));
      } while (again);
    })().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function lookOrLog(): Promise<void> {
    try {
      await relist();
    } catch (error) {
      log.warn({ err: error }, 'the container runtime could not be listed');
    }
  }

  async function follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const _event of runtime.containerEvents(signal)) void lookOrLog();
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'the container runtime ended its event stream; will subscribe again');
      }
      await sleep(clock, resubscribeMs, signal);
      if (!signal.aborted) await lookOrLog();
    }
  }

  async function tick(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await lookOrLog();
      await sleep(clock, relistMs, signal);
    }
  }

  return {
    pods: () => pods,
    healthy() {
      if (lastLookMs === undefined) return 'PLEG is not healthy: pleg has yet to be successful';
      const ageMs = clock.monotonic() - lastLookMs;
      return ageMs > unhealthyAfterMs
        ? `PLEG is not healthy: pleg was last seen active ${goDuration(ageMs)} ago; threshold is 3m0s`
        : undefined;
    },
    relist,
    run: (signal) => Promise.all([follow(signal), tick(signal)]).then(() => undefined),
  };
}
