/**
 * One pod on this node, from its arrival to its end. One worker per pod UID; it always works on the newest version.
 *
 * What happens when is decided by the state machine (`worker-state/types.ts` draws it); the worker passes events to it, lets `pod-steps.ts`
 * carry out its steps, and keeps the timer.
 */
import type { Logger } from 'pino';
import type { Pod, PodStatus } from '#api/types.generated.ts';
import { within } from '#client/clock.ts';
import { VolumeError } from '../volumes/volumes.ts';
import { podReference } from './kill-containers.ts';
import type { ObservedPod } from './observed.ts';
import { PodSteps, type PodStepsDeps } from './pod-steps.ts';
import { PodView } from './pod-view.ts';
import { initialState, next } from './worker-state/next.ts';
import { hasToEnd } from './worker-state/transition.ts';
import type { PodWorkerEffect, PodWorkerEvent, PodWorkerState, StepEffect } from './worker-state/types.ts';

/** The dependencies of {@link PodWorker}, shared by all workers. */
export interface PodWorkerDeps extends PodStepsDeps {
  log: Logger;
}

/**
 * Upper limit of the back-off for volumes. It is longer than for other failures, because volumes wait for objects that somebody else must
 * create.
 */
const maxVolumeRetryMs = 122_000;
const maxRetryMs = 10_000;
/** How long a worker that is stopped waits for the step under way. */
const lastStepMs = 2_000;

/** Works on one pod while it runs. Calls come at any time and are never lost. */
export class PodWorker {
  readonly uid: string;
  readonly #deps: PodWorkerDeps;
  readonly #view: PodView;
  readonly #steps: PodSteps;
  #state: PodWorkerState;
  readonly #events: PodWorkerEvent[] = [];
  #isHandling = false;
  #isStopped = false;
  #lastStep: Promise<void> = Promise.resolve();
  #syncAbort = new AbortController();
  #cancelWait: () => void = () => undefined;
  #end: () => void = () => undefined;

  constructor(deps: PodWorkerDeps, pod: Pod) {
    this.#deps = deps;
    this.#state = initialState(pod);
    this.uid = pod.metadata.uid;
    const state = (): PodWorkerState => this.#state;
    this.#view = new PodView(deps, state);
    this.#steps = new PodSteps(deps, state, this.#view);
  }

  /** The newest version. */
  get pod(): Pod {
    return this.#state.pod;
  }
  get state(): PodWorkerState['kind'] {
    return this.#state.kind;
  }
  /** The status that was last reported, or is about to be. */
  get status(): PodStatus {
    return this.#deps.statuses.current(this.pod);
  }
  /** The last observation of the runtime; undefined before the first one. */
  get observed(): ObservedPod | undefined {
    return this.#view.observed;
  }

  /** Takes the newest version from the API. @param asksForStep whether it differs in something that needs a step */
  update(pod: Pod, asksForStep: boolean): void {
    this.#handle({ kind: 'updated', pod, asksForStep, nowMs: this.#deps.clock.now() });
  }

  /**
   * The pod is no longer in the API. @param last its final version, which may have a grace period of 0; default: the newest known version
   */
  remove(last: Pod = this.pod): void {
    this.#handle({ kind: 'left', pod: last, nowMs: this.#deps.clock.now() });
  }

  /** The pod's containers, or the result of a probe, have changed. */
  wake(): void {
    this.#handle({ kind: 'woken' });
  }

  /**
   * Begins to work; call it once. Settles when the pod is gone, or `signal` has aborted and the step under way has ended. The pod
   * stays as it is then: containers run on. A stop that waits for a grace period to pass, or a step that hangs for more than two
   * seconds, is left to the next kubelet.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#end = resolve;
    const stop = (): void => {
      this.#isStopped = true;
      this.#syncAbort.abort();
      this.#cancelWait();
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.#handle({ kind: 'woken' });
    await promise;
    signal.removeEventListener('abort', stop);
    await within(this.#deps.clock, lastStepMs, this.#lastStep);
  }

  /** Events that an effect causes synchronously are handled after all effects of the current event. */
  #handle(event: PodWorkerEvent): void {
    this.#events.push(event);
    if (this.#isHandling) return;
    this.#isHandling = true;
    try {
      for (let one = this.#events.shift(); one !== undefined; one = this.#events.shift())
        if (!this.#isStopped) this.#transit(one);
    } finally {
      this.#isHandling = false;
    }
  }

  #transit(event: PodWorkerEvent): void {
    const from = this.#state.kind;
    const [state, effects] = next(this.#state, event);
    this.#state = state;
    if (state.kind !== from) this.#deps.log.debug({ pod: state.pod.metadata.name, from, to: state.kind }, 'pod worker');
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: PodWorkerEffect): void {
    switch (effect.kind) {
      case 'abortSync':
        this.#syncAbort.abort();
        return;
      case 'kill':
        void this.#kill(effect);
        return;
      case 'finish':
        this.#steps.finish();
        return;
      case 'wait':
        this.#cancelWait();
        this.#cancelWait = this.#deps.clock.after(effect.ms, () => this.#handle({ kind: 'timeUp' }));
        return;
      case 'end':
        this.#cancelWait();
        this.#end();
        return;
      default:
        this.#cancelWait();
        this.#lastStep = this.#step(effect);
    }
  }

  async #step(effect: StepEffect): Promise<void> {
    if (effect.kind === 'sync') this.#syncAbort = new AbortController();
    const admitted = (): void => this.#handle({ kind: 'admitted' });
    try {
      this.#handle(await this.#steps.run(effect, this.#syncAbort.signal, admitted));
    } catch (error) {
      this.#handle({ kind: 'failed', limitMs: this.#failed(error) });
    }
  }

  async #kill(effect: Extract<PodWorkerEffect, { kind: 'kill' }>): Promise<void> {
    const { round } = effect;
    try {
      await this.#steps.kill(effect);
      this.#handle({ kind: 'killed', round });
    } catch (error) {
      this.#handle({ kind: 'killFailed', round, limitMs: this.#failed(error) });
    }
  }

  /** Reports a failed sync (events for volumes, else the log), unless we ended it ourselves. @returns the limit of the next back-off, in milliseconds */
  #failed(error: unknown): number {
    const state = this.#state;
    const { name, namespace } = state.pod.metadata;
    const limitMs = error instanceof VolumeError ? maxVolumeRetryMs : maxRetryMs * (1 + 0.5 * this.#deps.random());
    if (this.#isStopped) return limitMs;
    if (error instanceof VolumeError) {
      for (const message of error.failures) this.#deps.events.event(podReference(state.pod), 'Warning', 'FailedMount', message);
    } else if (state.kind !== 'syncing' || !hasToEnd(state)) {
      const context = { err: error, pod: name, namespace, state: state.kind };
      this.#deps.log.warn(context, 'a pod could not be synced; will be tried again');
    }
    return limitMs;
  }
}
