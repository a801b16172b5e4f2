/**
 * The pod lifecycle event generator (PLEG): reports which pods changed in the runtime. It compares lists: an event of the runtime only
 * triggers a new list, and a list every few seconds finds changes without an event. Source: KEP-3386; upstream `pkg/kubelet/pleg`.
 */

import type { Logger } from 'pino';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { goDuration } from '../backoff.ts';
import type { PodLabels } from '../container/labels.ts';
import { parsePodLabels } from '../container/labels.ts';

/** What PLEG works with. */
export interface PlegDeps {
  runtime: ContainerRuntime;
  clock: Clock;
  log: Logger;
  /** Called for each pod whose sandboxes or containers differ from the last list. */
  changed: (podUid: string) => void;
}

/** Lists the runtime's containers and reports which pods changed since the last list. */
export interface Pleg {
  /** The pods of the last list, by UID. */
  pods(): ReadonlyMap<string, PodLabels>;
  /** Upstream's message for the Ready condition when no list has succeeded for 3 min. Undefined when PLEG is healthy. */
  healthy(): string | undefined;
  /** Lists now. @throws RuntimeError when the runtime cannot be listed */
  relist(): Promise<void>;
  /** Follows the runtime until `signal` aborts. Failures are logged and tried again. */
  run(signal: AbortSignal): Promise<void>;
}

const relistMs = 5_000;
const resubscribeMs = 1_000;
const maxPauseMs = 1_000;
/** Upstream's threshold for `PLEG is not healthy`. */
const unhealthyAfterMs = 180_000;

/** A PLEG that follows the runtime's events, and also lists every 5 s. */
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
   * One list at a time; a request during a list causes one more after it. The pause between them is as long as the list took: each
   * event asks for a list, and a busy runtime must not spend its time on answering lists.
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
