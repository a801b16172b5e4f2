/**
 * The steps of a pod worker. They carry out the effects of its state machine with the runtime, volumes, control groups and the API.
 *
 * Source: upstream `pkg/kubelet/kubelet.go` (SyncPod, SyncTerminatingPod, SyncTerminatedPod).
 */
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import { makeFolders } from '#agent/host/safe-open.ts';
import { toNumber } from '#api/int64.ts';
import { isTerminalPhase } from '#api/pod/conditions.ts';
import type { Pod, PodStatus, Secret } from '#api/types.generated.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { Rejection } from '../admission/rejection.ts';
import type { Resizes } from '../allocation/resizes.ts';
import { messageText } from '../errors.ts';
import type { Lane } from '../lane.ts';
import type { Paths } from '../paths.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import { rejectedStatus, terminatedStatus } from '../status/pod-status.ts';
import type { Volumes } from '../volumes/volumes.ts';
import { podReference } from './kill-containers.ts';
import { type ObservedPod, runningContainers } from './observed.ts';
import type { PodRuntime, SyncResult } from './pod-runtime.ts';
import type { PodView, PodViewDeps } from './pod-view.ts';
import type { PodWorkerEffect, PodWorkerState, StepEffect, StepOutcome } from './worker-state/types.ts';

/** The dependencies of {@link PodSteps}. */
export interface PodStepsDeps extends PodViewDeps {
  resizes: Pick<Resizes, 'allocated' | 'actuated' | 'conditions' | 'observed' | 'settled' | 'failed' | 'ended'>;
  /** Limits how many pods release volumes and control groups at the same time. */
  lane: Lane;
  runtime: PodRuntime;
  volumes: Volumes;
  cgroups: PodCgroups;
  events: EventRecorder;
  paths: Paths;
  /** In [0, 1). */
  random: () => number;
  /** Interval at which a healthy pod is synced, plus up to half of it by chance. */
  syncFrequencyMs: number;
  /**
   * Admits the pod, or returns why not. A `known` pod ran here before the kubelet restarted, or has ended: it is admitted without a check.
   */
  admit(pod: Pod, known: boolean): Rejection | undefined;
  /** Why the pod network is not ready; undefined when it is. */
  networkProblem(): string | undefined;
  /** The pod's image pull secrets. Those that cannot be read are left out, and an event says so. */
  pullSecrets(pod: Pod): Promise<readonly Secret[]>;
}

/** A pod that waits for the node's network looks again this often. */
const networkRetryMs = 2_000;
/** Time in ms after which the next pod may release its volumes: one volume that cannot be unmounted must not delay all pods. */
const releaseLendAfterMs = 2_000;

/** The steps of one pod. One runs at a time; `kill` may run beside it. */
export class PodSteps {
  readonly #deps: PodStepsDeps;
  readonly #state: () => PodWorkerState;
  readonly #view: PodView;

  /** @param state the worker's present state: steps work on the newest version of the pod */
  constructor(deps: PodStepsDeps, state: () => PodWorkerState, view: PodView) {
    this.#deps = deps;
    this.#state = state;
    this.#view = view;
  }

  get #pod(): Pod {
    return this.#state().pod;
  }

  /**
   * Does one step.
   * @param signal ends a sync early; the other steps are short
   * @param admitted called when the node admits the pod, before the step ends
   * @returns how the step went
   * @throws VolumeError, RuntimeError or a system error when it failed: it has to be tried again
   */
  run(effect: StepEffect, signal: AbortSignal, admitted: () => void): Promise<StepOutcome> {
    switch (effect.kind) {
      case 'sync':
        return this.#sync(effect.isAdmitted, signal, admitted);
      case 'begin':
        return this.#begin();
      case 'look':
        return this.#look();
      case 'confirm':
        return this.#confirm();
      case 'release':
        return this.#release();
      case 'clear':
        return this.#clear();
    }
  }

  /** Stops the containers of the last observation. @throws RuntimeError when the runtime cannot stop one */
  async kill({ graceSeconds, skipPreStop }: Extract<PodWorkerEffect, { kind: 'kill' }>): Promise<void> {
    const observed = this.#view.observed ?? (await this.#view.observe());
    await this.#deps.runtime.kill(this.#pod, observed, { podIp: this.#view.podIp(observed), graceSeconds, skipPreStop });
  }

  /** Reports the last status of a deleted pod, and then has it deleted from the API. */
  finish(): void {
    const { statuses } = this.#deps;
    statuses.set(this.#pod, terminatedStatus(this.#pod, statuses.current(this.#pod)));
    statuses.finish(this.#pod);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#deps.events.event(podReference(this.#pod), type, reason, message);
  }

  async #sync(isAdmitted: boolean, signal: AbortSignal, admitted: () => void): Promise<StepOutcome> {
    const deps = this.#deps;
    const pod = this.#pod;
    const observed = await this.#view.observe();
    if (signal.aborted) return { kind: 'synced', acted: true, waitMs: 0 };
    if (!isAdmitted) {
      const known = isTerminalPhase(pod.status?.phase) || observed.sandboxes.length > 0;
      const rejection = deps.admit(pod, known);
      if (rejection !== undefined) return this.#reject(rejection);
      admitted();
    }
    deps.probes.update(pod, observed, this.#view.podIp(observed));
    const status = this.#view.report(observed, false);
    if (isTerminalPhase(status.phase)) return { kind: 'ended', verdict: undefined };
    const deadlineMs = this.#deadlineInMs(status);
    if (deadlineMs <= 0) {
      const verdict = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' };
      this.#event('Normal', verdict.reason, verdict.message);
      return { kind: 'ended', verdict };
    }
    const network = pod.spec.hostNetwork === true ? undefined : deps.networkProblem();
    if (network !== undefined) {
      this.#event('Warning', 'NetworkNotReady', `network is not ready: ${network}`);
      return { kind: 'synced', acted: false, waitMs: networkRetryMs };
    }
    const { acted, retryAtMs } = await this.#start(deps.resizes.allocated(pod), observed, signal);
    const syncMs = deps.syncFrequencyMs;
    const backOffMs = retryAtMs === undefined ? syncMs : Math.max(0, retryAtMs - deps.clock.now());
    return { kind: 'synced', acted, waitMs: Math.min(backOffMs, deadlineMs, syncMs * (1 + 0.5 * deps.random())) };
  }

  #reject({ reason, message }: Rejection): StepOutcome {
    this.#event('Warning', reason, message);
    this.#deps.statuses.set(this.#pod, rejectedStatus(this.#pod, reason, message, this.#deps.clock.now()));
    return { kind: 'rejected' };
  }

  async #start(pod: Pod, observed: ObservedPod, signal: AbortSignal): Promise<Pick<SyncResult, 'acted' | 'retryAtMs'>> {
    const deps = this.#deps;
    const facts = this.#view.facts(observed);
    await deps.cgroups
      .ensure(pod, observed.sandboxes.length > 0)
      .catch((error: unknown) => this.#fail('FailedCreatePodContainer', 'unable to ensure pod container exists', error));
    await makeFolders(deps.paths.podsDir, deps.paths.podDir(pod.metadata.uid), 0o750).catch((error: unknown) =>
      this.#fail('Failed', 'error making pod data directories', error),
    );
    // The allocation must be on disk before containers get it, so that a restarted kubelet continues with the same allocation.
    await deps.resizes.settled(pod.metadata.uid);
    const volumes = await deps.volumes.setUp(pod, facts);
    // The pod may have been deleted while its volumes were set up: nothing is started then.
    if (signal.aborted) return { acted: true };
    const secrets = (): Promise<readonly Secret[]> => deps.pullSecrets(pod);
    const result = await deps.runtime.sync({ pod, observed, volumes, facts, secrets, signal });
    this.#view.startFailures = result.failures;
    if (result.resizeProblem !== undefined) deps.resizes.failed(pod, result.resizeProblem);
    await deps.resizes.settled(pod.metadata.uid);
    const after = result.acted ? await this.#view.observe() : observed;
    deps.probes.update(pod, after, this.#view.podIp(after));
    this.#view.report(after, false);
    await deps.runtime.collect(after, 1);
    return result;
  }

  /** Sends an event with the reason of the failure, and throws. */
  #fail(reason: string, what: string, error: unknown): never {
    this.#event('Warning', reason, `${what}: ${messageText(error)}`);
    throw error;
  }

  /** How long the pod may still be active, in milliseconds, by its activeDeadlineSeconds. */
  #deadlineInMs(status: PodStatus): number {
    const { activeDeadlineSeconds } = this.#pod.spec;
    if (activeDeadlineSeconds === undefined || status.startTime === undefined) return Number.MAX_SAFE_INTEGER;
    return Date.parse(status.startTime) + toNumber(activeDeadlineSeconds) * 1000 - this.#deps.clock.now();
  }

  async #begin(): Promise<StepOutcome> {
    this.#deps.probes.beginTermination(this.#pod.metadata.uid);
    this.#deps.resizes.ended(this.#pod.metadata.uid);
    await this.#look();
    return { kind: 'begun', nowMs: this.#deps.clock.now() };
  }

  async #look(): Promise<StepOutcome> {
    this.#view.report(await this.#view.observe(), false);
    return { kind: 'looked' };
  }

  async #confirm(): Promise<StepOutcome> {
    const observed = await this.#view.observe();
    const names = runningContainers(observed).map(({ name }) => name);
    if (names.length > 0) throw new Error(`containers still run: ${names.join(', ')}`);
    this.#deps.probes.remove(this.#pod.metadata.uid);
    this.#view.report(observed, true);
    return { kind: 'confirmed' };
  }

  async #release(): Promise<StepOutcome> {
    const { lane, volumes, cgroups } = this.#deps;
    const giveBack = async (): Promise<void> => {
      await volumes.tearDown(this.#pod.metadata.uid);
      await cgroups.remove(this.#pod);
    };
    await lane.run(giveBack, { lendAfterMs: releaseLendAfterMs });
    return { kind: 'released' };
  }

  async #clear(): Promise<StepOutcome> {
    const { runtime, paths, statuses } = this.#deps;
    await runtime.remove(await this.#view.observe());
    const { namespace = '', name, uid } = this.#pod.metadata;
    await removeTreeBelow(paths.podLogsRoot, paths.podLogDir({ namespace, name, uid }));
    statuses.forget(uid);
    return { kind: 'cleared' };
  }
}
