/**
 * One pod on this node, from its arrival to its end. One worker per pod UID; it always works on the newest version.
 *
 *     syncing ──► terminating ──► terminated ──► gone
 *        │ (rejected)                ▲
 *        └───────────────────────────┘
 *
 * syncing: containers are made as the spec asks. terminating: the pod is deleted, ended or failed; containers are being
 * stopped. terminated: nothing runs; volumes and cgroups are released, and a deleted pod leaves the API. gone: it left the API;
 * containers, sandboxes and logs are removed.
 *
 * Source: upstream `pkg/kubelet/pod_workers.go`, `kubelet.go` (SyncPod, SyncTerminatingPod, SyncTerminatedPod).
 */

import type { Logger } from 'pino';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import { makeFolders } from '#agent/host/safe-open.ts';
import { toNumber } from '#api/int64.ts';
import { isTerminalPhase } from '#api/pod/conditions.ts';
import type { Pod, PodStatus, Secret } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { Rejection } from '../admission/rejection.ts';
import type { PodFacts } from '../container/field-ref.ts';
import { messageText } from '../errors.ts';
import type { Lane } from '../lane.ts';
import type { Paths } from '../paths.ts';
import type { Probes } from '../probes/probes.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import type { StartFailure } from '../status/container-statuses.ts';
import { podStatus, rejectedStatus, terminatedStatus } from '../status/pod-status.ts';
import type { StatusWriter } from '../status/status-writer.ts';
import type { Volumes } from '../volumes/volumes.ts';
import { VolumeError } from '../volumes/volumes.ts';
import { grantedSeconds, podReference } from './kill-containers.ts';
import type { Observer } from './observe.ts';
import type { ObservedPod } from './observed.ts';
import { podIps, runningContainers } from './observed.ts';
import type { PodRuntime } from './pod-runtime.ts';

export interface PodWorkerDeps {
  /** Of releases. */
  lane: Lane;
  observer: Observer;
  runtime: PodRuntime;
  probes: Probes;
  volumes: Volumes;
  cgroups: PodCgroups;
  statuses: StatusWriter;
  events: EventRecorder;
  clock: Clock;
  random: () => number;
  log: Logger;
  paths: Paths;
  runtimeName: string;
  hostIps: readonly string[];
  nodeName: string;
  /** Takes the pod, or says why not; one that is `known` is taken unchecked. */
  admit(pod: Pod, known: boolean): Rejection | undefined;
  /** Why no pod network can be had now; undefined: it is ready. */
  networkProblem(): string | undefined;
  allocatable(): Record<string, string | number>;
  pullSecrets(pod: Pod): Promise<readonly Secret[]>;
}

type State = 'syncing' | 'terminating' | 'terminated' | 'gone';

const resyncMs = 60_000;
const firstRetryMs = 500;
/** Of volumes, which wait for what others have to make; of everything else. */
const maxVolumeRetryMs = 122_000;
const maxRetryMs = 10_000;
const networkRetryMs = 2_000;
/** A volume that cannot be unmounted, such as that of a server that is gone, keeps no other pod. */
const releaseLendAfterMs = 2_000;

export class PodWorker {
  readonly uid: string;
  readonly #deps: PodWorkerDeps;
  #pod: Pod;
  #state: State = 'syncing';
  #admitted = false;
  /** The pod left the API: nobody reads its status any more. */
  #removed = false;
  #failed: Rejection | undefined;
  #failures: ReadonlyMap<string, StartFailure> = new Map();
  #retries = 0;
  #dirty = true;
  #stopped = false;
  /** Ends the wait for the step under way. */
  #leaveStep: () => void = () => undefined;
  #wakeWaiter: () => void = () => undefined;
  /** Ends the sync in progress when the pod must stop: an image pull would hold it up. */
  #syncAbort = new AbortController();
  #lastObserved: ObservedPod | undefined;

  constructor(deps: PodWorkerDeps, pod: Pod) {
    this.#deps = deps;
    this.#pod = pod;
    this.uid = pod.metadata.uid;
  }

  get pod(): Pod {
    return this.#pod;
  }
  get state(): State {
    return this.#state;
  }
  /** What was last reported, or is about to be. */
  get status(): PodStatus {
    return this.#deps.statuses.current(this.#pod);
  }
  get observed(): ObservedPod | undefined {
    return this.#lastObserved;
  }

  /** The newest version from the API; `look`: it asks for something new. */
  update(pod: Pod, look: boolean): void {
    this.#pod = pod;
    if (pod.metadata.deletionTimestamp !== undefined) this.#syncAbort.abort();
    if (look) this.wake();
  }

  /** The pod is no longer in the API; `last` is how it left, which may carry a grace period of 0. */
  remove(last: Pod = this.#pod): void {
    this.#pod = last;
    this.#removed = true;
    this.#syncAbort.abort();
    this.wake();
  }

  wake(): void {
    this.#dirty = true;
    this.#wakeWaiter();
  }

  /** Ends the worker without touching the pod: the kubelet stops, containers run on. */
  stop(): void {
    this.#stopped = true;
    this.#syncAbort.abort();
    this.#leaveStep();
    this.#wakeWaiter();
  }

  /** Settles when the pod is gone or the worker is stopped. */
  async run(): Promise<void> {
    while (!this.#stopped && this.#state !== 'gone') {
      this.#dirty = false;
      // A step may wait for a grace period to pass: a kubelet that stops leaves that to its successor.
      const waitMs = await this.#untilStopped(this.#stepOrRetry());
      if (!this.#dirty && !this.#stopped && (this.#state as State) !== 'gone') await this.#wait(waitMs);
    }
  }

  /** Promise.race against one promise that lives as long as the worker would keep every step's result alive (a leak). */
  #untilStopped(step: Promise<number>): Promise<number> {
    return new Promise((resolve) => {
      this.#leaveStep = () => resolve(0);
      void step.then(resolve);
    });
  }

  async #stepOrRetry(): Promise<number> {
    try {
      const waitMs = await this.#step();
      this.#retries = 0;
      return waitMs;
    } catch (error) {
      if (this.#stopped) return 0;
      const limitMs = error instanceof VolumeError ? maxVolumeRetryMs : maxRetryMs * (1 + 0.5 * this.#deps.random());
      const waitMs = Math.min(firstRetryMs * 2 ** this.#retries++, limitMs);
      if (error instanceof VolumeError) {
        for (const message of error.failures) this.#event('Warning', 'FailedMount', message);
      } else if (!this.#syncAbort.signal.aborted) {
        this.#deps.log.warn(
          { err: error, pod: this.#pod.metadata.name, namespace: this.#pod.metadata.namespace, state: this.#state },
          'a pod could not be synced; will be tried again',
        );
      }
      return this.#syncAbort.signal.aborted && this.#state === 'syncing' ? 0 : waitMs;
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#deps.clock.after(ms, resolve);
      this.#wakeWaiter = () => {
        cancel();
        resolve();
      };
    });
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#deps.events.event(podReference(this.#pod), type, reason, message);
  }

  /** Tells the pod's users what the next try will have to overcome. */
  #fail(reason: string, what: string, error: unknown): never {
    this.#event('Warning', reason, `${what}: ${messageText(error)}`);
    throw error;
  }

  async #observe(): Promise<ObservedPod> {
    const { uid, name, namespace = '' } = this.#pod.metadata;
    this.#lastObserved = await this.#deps.observer.observe({ uid, name, namespace });
    return this.#lastObserved;
  }

  /** One step of the state machine. @returns how long to wait when nothing happens */
  async #step(): Promise<number> {
    switch (this.#state) {
      case 'syncing':
        return this.#sync();
      case 'terminating':
        return this.#terminate();
      case 'terminated':
        return this.#release();
      case 'gone':
        return resyncMs;
    }
  }

  #become(state: State): number {
    this.#deps.log.debug({ pod: this.#pod.metadata.name, from: this.#state, to: state }, 'pod worker');
    this.#state = state;
    return 0;
  }

  async #sync(): Promise<number> {
    const pod = this.#pod;
    const observed = await this.#observe();
    if (pod.metadata.deletionTimestamp !== undefined || this.#removed) return this.#become('terminating');
    if (!this.#admitted) {
      // What already runs here was taken by this kubelet before it restarted.
      const known = isTerminalPhase(pod.status?.phase) || observed.sandboxes.length > 0;
      const rejection = this.#deps.admit(pod, known);
      if (rejection !== undefined) return this.#reject(rejection);
      this.#admitted = true;
    }
    this.#deps.probes.update(pod, observed, this.#podIp(observed));
    const status = this.#report(observed, false);
    if (isTerminalPhase(status.phase)) return this.#become('terminating');
    const deadlineMs = this.#deadlineInMs(status);
    if (deadlineMs <= 0) {
      this.#failed = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' };
      this.#event('Normal', 'DeadlineExceeded', this.#failed.message);
      return this.#become('terminating');
    }
    const network = pod.spec.hostNetwork === true ? undefined : this.#deps.networkProblem();
    if (network !== undefined) {
      this.#event('Warning', 'NetworkNotReady', `network is not ready: ${network}`);
      return networkRetryMs;
    }
    const result = await this.#start(pod, observed);
    if (result.acted) this.#dirty = true;
    const backOffMs = result.retryAtMs === undefined ? resyncMs : Math.max(0, result.retryAtMs - this.#deps.clock.now());
    return Math.min(backOffMs, deadlineMs, resyncMs * (1 + 0.5 * this.#deps.random()));
  }

  async #start(pod: Pod, observed: ObservedPod): Promise<{ acted: boolean; retryAtMs?: number | undefined }> {
    const { deps, facts } = { deps: this.#deps, facts: this.#facts(observed) };
    await deps.cgroups
      .ensure(pod)
      .catch((error: unknown) => this.#fail('FailedCreatePodContainer', 'unable to ensure pod container exists', error));
    await makeFolders(deps.paths.podsDir, deps.paths.podDir(this.uid), 0o750).catch((error: unknown) =>
      this.#fail('Failed', 'error making pod data directories', error),
    );
    const volumes = await deps.volumes.setUp(pod, facts);
    this.#syncAbort = new AbortController();
    // A word to stop may have come while the volumes were set up.
    if (this.#pod.metadata.deletionTimestamp !== undefined || this.#removed || this.#stopped) return { acted: true };
    const result = await deps.runtime.sync({
      pod,
      observed,
      volumes,
      facts,
      secrets: () => deps.pullSecrets(pod),
      signal: this.#syncAbort.signal,
    });
    this.#failures = result.failures;
    const after = result.acted ? await this.#observe() : observed;
    deps.probes.update(pod, after, this.#podIp(after));
    this.#report(after, false);
    await deps.runtime.collect(after, 1);
    return result;
  }

  #reject({ reason, message }: Rejection): number {
    this.#event('Warning', reason, message);
    this.#deps.statuses.set(this.#pod, rejectedStatus(this.#pod, reason, message, this.#deps.clock.now()));
    return this.#become('terminated');
  }

  #podIp(observed: ObservedPod): string {
    return this.#facts(observed).podIps[0] ?? '';
  }

  #facts(observed: ObservedPod): PodFacts {
    const { hostIps, nodeName } = this.#deps;
    return {
      nodeName,
      hostIps,
      podIps: this.#pod.spec.hostNetwork === true ? hostIps : podIps(observed),
      allocatable: this.#deps.allocatable(),
    };
  }

  #deadlineInMs(status: PodStatus): number {
    const { activeDeadlineSeconds } = this.#pod.spec;
    if (activeDeadlineSeconds === undefined || status.startTime === undefined) return Number.MAX_SAFE_INTEGER;
    return Date.parse(status.startTime) + toNumber(activeDeadlineSeconds) * 1000 - this.#deps.clock.now();
  }

  /** Computes the status and hands it to the writer. A pod with running containers is never reported as ended. */
  #report(observed: ObservedPod, isTerminal: boolean): PodStatus {
    const { statuses, probes, runtimeName, hostIps, clock } = this.#deps;
    const pod = this.#pod;
    const previous = statuses.current(pod);
    const computed = podStatus({
      pod,
      observed,
      previous,
      failures: this.#failures,
      readiness: probes,
      runtimeName,
      hostIps,
      isTerminal,
      failed: this.#failed,
      nowMs: clock.now(),
    });
    const tooEarly =
      isTerminalPhase(computed.phase) && !isTerminalPhase(previous.phase) && runningContainers(observed).length > 0;
    const reported = tooEarly
      ? { ...computed, phase: previous.phase ?? 'Pending', reason: previous.reason, message: previous.message }
      : computed;
    if (!this.#removed) statuses.set(pod, reported);
    return computed;
  }

  /** The grace period that remains to be granted; a pod that left the API was given its own. */
  #graceSeconds(): number {
    const { metadata, spec } = this.#pod;
    const seconds = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30;
    return Math.max(grantedSeconds(seconds), 1);
  }

  async #terminate(): Promise<number> {
    const { probes, runtime, clock } = this.#deps;
    probes.beginTermination(this.uid);
    const observed = await this.#observe();
    this.#report(observed, false);
    let graceSeconds = this.#graceSeconds();
    let deadlineMs = clock.now() + graceSeconds * 1000;
    const podIp = this.#podIp(observed);
    const kills = { running: 0, stopped: false, failure: undefined as unknown };
    const kill = async (skipPreStop: boolean): Promise<void> => {
      kills.running++;
      try {
        await runtime.kill(this.#pod, observed, { podIp, graceSeconds, skipPreStop });
        kills.stopped = true;
      } catch (error) {
        kills.failure = error;
      }
      kills.running--;
      this.#wakeWaiter();
    };
    void kill(false);
    // A second, shorter deadline overtakes the first: `kubectl delete --grace-period=1`.
    while (!kills.stopped && kills.running > 0) {
      // What came during the look below must not wait for the next.
      if (!this.#dirty) await this.#wait(resyncMs);
      this.#dirty = false;
      if (kills.stopped || kills.running === 0) break;
      if (this.#stopped) return 0;
      const wantedSeconds =
        this.#removed && this.#pod.metadata.deletionTimestamp === undefined ? graceSeconds : this.#graceSeconds();
      if (wantedSeconds < graceSeconds && clock.now() + wantedSeconds * 1000 < deadlineMs) {
        graceSeconds = wantedSeconds;
        deadlineMs = clock.now() + graceSeconds * 1000;
        void kill(true);
      }
      this.#report(await this.#observe(), false);
    }
    // One that succeeded is enough: the first may still be in a preStop hook that has nothing left to wait for.
    if (!kills.stopped) throw kills.failure;
    const after = await this.#observe();
    if (runningContainers(after).length > 0)
      throw new Error(
        `containers still run: ${runningContainers(after)
          .map(({ name }) => name)
          .join(', ')}`,
      );
    probes.remove(this.uid);
    this.#report(after, true);
    return this.#become('terminated');
  }

  /** Gives back what the pod held. A deleted pod then leaves the API; one that ended stays until it is deleted. */
  async #release(): Promise<number> {
    const { lane, volumes, cgroups, statuses, runtime } = this.#deps;
    await lane.run(
      async () => {
        await volumes.tearDown(this.uid);
        await cgroups.remove(this.#pod);
      },
      { lendAfterMs: releaseLendAfterMs },
    );
    if (this.#removed) {
      await runtime.remove(await this.#observe());
      const { namespace = '', name, uid } = this.#pod.metadata;
      await removeTreeBelow(this.#deps.paths.podLogsRoot, this.#deps.paths.podLogDir({ namespace, name, uid }));
      statuses.forget(this.uid);
      return this.#become('gone');
    }
    if (this.#pod.metadata.deletionTimestamp !== undefined) {
      statuses.set(this.#pod, terminatedStatus(this.#pod, statuses.current(this.#pod)));
      statuses.finish(this.#pod);
    }
    return resyncMs * 10;
  }
}
