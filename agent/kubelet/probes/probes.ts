/**
 * Probes of running containers: one worker per container and kind of probe.
 *
 * Source: upstream `pkg/kubelet/prober` (order of kinds, initial values, when a worker holds).
 */

import type { Logger } from 'pino';
import { errorText } from '#api/error-text.ts';
import { initContainers, isSidecar } from '#api/pod/containers.ts';
import type { Container, ObjectReference, Pod, Probe } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { ProbeResults } from '../pod/compute-pod-actions.ts';
import type { ObservedPod } from '../pod/observed.ts';
import { findContainer, isRunning } from '../pod/observed.ts';
import { fieldPath } from '../pod/pod-spec.ts';
import type { Readiness } from '../status/container-statuses.ts';
import type { ProbeRunner } from './probe-run.ts';
import type { ProbeTracker } from './probe-tracker.ts';
import { freshTracker, track } from './probe-tracker.ts';

const kinds = ['Startup', 'Readiness', 'Liveness'] as const;
/** The kinds of probes, in upstream's words for events. */
export type ProbeKind = (typeof kinds)[number];

/** All probes of this node, and their results. */
export interface Probes extends ProbeResults, Readiness {
  /** Starts the probes of new containers, and stops those of containers that are gone. */
  update(pod: Pod, observed: ObservedPod, podIp: string): void;
  /** Ends liveness and startup probes: a pod that is shutting down must not be restarted. Readiness goes on. */
  beginTermination(podUid: string): void;
  remove(podUid: string): void;
  /** Ends all probes. None begins after this. */
  stop(): void;
}

/** What probes work with. `random`: in [0, 1). */
export interface ProbesDeps {
  runner: ProbeRunner;
  clock: Clock;
  random: () => number;
  events: EventRecorder;
  log: Logger;
  /** Called when a result changed, so that the pod is synced. */
  changed: (podUid: string) => void;
}

interface Observation {
  pod: Pod;
  observed: ObservedPod;
  podIp: string;
}

type Result = 'success' | 'failure';

/** The probes of a node. They start with the first `update` of a pod. */
export function createProbes(deps: ProbesDeps): Probes {
  const pods = new Map<string, Observation>();
  const workers = new Map<string, ProbeWorker>();
  const results = new Map<string, Result>();
  const startedMs = deps.clock.now();
  let stopped = false;

  const resultOf = (kind: ProbeKind, containerId: string): Result | undefined => results.get(`${kind}/${containerId}`);
  const started = (container: Container, id: string): boolean =>
    container.startupProbe === undefined || resultOf('Startup', id) === 'success';

  const shared: WorkerContext = {
    ...deps,
    observation: (uid) => pods.get(uid),
    started,
    startedMs,
    result: resultOf,
    setResult(uid, kind, containerId, result) {
      const key = `${kind}/${containerId}`;
      if (results.get(key) === result) return;
      results.set(key, result);
      deps.changed(uid);
      // Once a container has started, its readiness is probed at once and not after a period.
      if (kind === 'Startup' && result === 'success')
        for (const worker of workersOf(uid)) worker.trigger('Readiness', containerId);
    },
    clearResult: (kind, containerId) => void results.delete(`${kind}/${containerId}`),
  };

  function* workersOf(uid: string): Generator<ProbeWorker> {
    for (const [key, worker] of workers) if (key.startsWith(`${uid}/`)) yield worker;
  }

  function drop(key: string, worker: ProbeWorker): void {
    worker.stop();
    workers.delete(key);
  }

  return {
    startup: (id) => resultOf('Startup', id),
    liveness: (id) => resultOf('Liveness', id),
    started,
    ready: (container, id) => container.readinessProbe === undefined || resultOf('Readiness', id) === 'success',
    update(pod, observed, podIp) {
      // A pod worker may still be in a step when the kubelet ends.
      if (stopped) return;
      const { uid } = pod.metadata;
      pods.set(uid, { pod, observed, podIp });
      for (const container of [...initContainers(pod).filter(isSidecar), ...pod.spec.containers]) {
        for (const [kind, probe] of probesOf(container)) {
          const key = `${uid}/${container.name}/${kind}`;
          let worker = workers.get(key);
          if (worker === undefined) {
            if (pod.metadata.deletionTimestamp !== undefined) continue;
            worker = new ProbeWorker(shared, uid, container, kind, probe);
            workers.set(key, worker);
          }
          // Sets the initial result of a new container, before the status is computed.
          worker.findNewest();
        }
      }
    },
    beginTermination(uid) {
      for (const [key, worker] of workers) {
        if (!key.startsWith(`${uid}/`) || worker.kind === 'Readiness') continue;
        worker.setSuccess();
        drop(key, worker);
      }
    },
    remove(uid) {
      for (const [key, worker] of workers) if (key.startsWith(`${uid}/`)) drop(key, worker);
      for (const { status } of pods.get(uid)?.observed.containers ?? [])
        for (const kind of kinds) results.delete(`${kind}/${status.id}`);
      pods.delete(uid);
    },
    stop() {
      stopped = true;
      for (const [key, worker] of workers) drop(key, worker);
    },
  };
}

function probesOf({ startupProbe, readinessProbe, livenessProbe }: Container): [ProbeKind, Probe][] {
  const all: [ProbeKind, Probe | undefined][] = [
    ['Startup', startupProbe],
    ['Readiness', readinessProbe],
    ['Liveness', livenessProbe],
  ];
  return all.flatMap(([kind, probe]): [ProbeKind, Probe][] => (probe === undefined ? [] : [[kind, probe]]));
}

interface WorkerContext extends ProbesDeps {
  startedMs: number;
  observation(uid: string): Observation | undefined;
  started(container: Container, containerId: string): boolean;
  result(kind: ProbeKind, containerId: string): Result | undefined;
  setResult(uid: string, kind: ProbeKind, containerId: string, result: Result): void;
  clearResult(kind: ProbeKind, containerId: string): void;
}

class ProbeWorker {
  readonly kind: ProbeKind;
  readonly #context: WorkerContext;
  readonly #uid: string;
  readonly #container: Container;
  readonly #probe: Probe;
  #containerId = '';
  #tracker: ProbeTracker = freshTracker;
  /** The container has failed its liveness or finished its startup: no probe until there is a new container. */
  #onHold = false;
  #stopped = false;
  #probing = false;
  #cancelTimer: () => void = () => undefined;

  constructor(context: WorkerContext, uid: string, container: Container, kind: ProbeKind, probe: Probe) {
    this.#context = context;
    this.#uid = uid;
    this.#container = container;
    this.kind = kind;
    this.#probe = probe;
    // After a restart of the kubelet, the first probes are spread over the period. Otherwise all would start at once.
    const justStarted = context.clock.now() - context.startedMs < this.#periodMs;
    this.#schedule(justStarted ? context.random() * this.#periodMs : 0);
  }

  get #periodMs(): number {
    // A period of less than a second would keep the node busy with probes.
    return Math.max(this.#probe.periodSeconds ?? 10, 1) * 1000;
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer();
    if (this.#stopped) return;
    this.#cancelTimer = this.#context.clock.after(delayMs, () => void this.#tick());
  }

  /** Finds the newest container; a new one gets the initial result of this kind of probe. */
  findNewest(): void {
    const observation = this.#context.observation(this.#uid);
    const current = observation === undefined ? undefined : findContainer(observation.observed, this.#container.name);
    if (current === undefined || current.status.id === this.#containerId) return;
    if (this.#containerId !== '') this.#context.clearResult(this.kind, this.#containerId);
    this.#containerId = current.status.id;
    this.#onHold = false;
    this.#tracker = freshTracker;
    const initial = this.#initial(current.status.startedAtMs, observation?.pod);
    if (initial !== undefined) this.#context.setResult(this.#uid, this.kind, this.#containerId, initial);
  }

  /** The initial result. A container that was running before this kubelet started keeps its last reported result. */
  #initial(startedAtMs: number, pod: Pod | undefined): Result | undefined {
    const reported = [...(pod?.status?.containerStatuses ?? []), ...(pod?.status?.initContainerStatuses ?? [])].find(
      ({ containerID }) => containerID?.endsWith(`://${this.#containerId}`) === true,
    );
    const survived = startedAtMs > 0 && startedAtMs < this.#context.startedMs && reported !== undefined;
    if (this.kind === 'Liveness') return 'success';
    if (this.kind === 'Startup') return survived && reported.started === true ? 'success' : undefined;
    return survived && reported.ready ? 'success' : 'failure';
  }

  async #tick(): Promise<void> {
    if (this.#probing) return;
    this.#probing = true;
    try {
      await this.#probeOnce();
    } catch (error) {
      // A bug in our code. It is logged and must not stop the kubelet.
      this.#context.log.error(
        { err: error, podUid: this.#uid, container: this.#container.name },
        `a ${this.kind} probe failed to run`,
      );
    } finally {
      this.#probing = false;
      this.#schedule(this.#periodMs);
    }
  }

  async #probeOnce(): Promise<void> {
    this.findNewest();
    const observation = this.#context.observation(this.#uid);
    const current = observation === undefined ? undefined : findContainer(observation.observed, this.#container.name);
    if (observation === undefined || current === undefined || this.#onHold || current.status.id !== this.#containerId) return;
    if (!isRunning(current)) {
      this.#context.setResult(this.#uid, this.kind, this.#containerId, 'failure');
      return;
    }
    const ranMs = this.#context.clock.now() - current.status.startedAtMs;
    if (ranMs < (this.#probe.initialDelaySeconds ?? 0) * 1000) return;
    const hasStarted = this.#context.started(this.#container, this.#containerId);
    if (hasStarted === (this.kind === 'Startup')) return;
    await this.#run(observation);
  }

  async #run({ pod, podIp }: Observation): Promise<void> {
    const containerId = this.#containerId;
    const reference: ObjectReference = {
      apiVersion: 'v1',
      kind: 'Pod',
      namespace: pod.metadata.namespace,
      name: pod.metadata.name,
      uid: pod.metadata.uid,
      fieldPath: fieldPath(pod, this.#container.name),
    };
    const warn = (reason: string, message: string): void => this.#context.events.event(reference, 'Warning', reason, message);
    let result: Result;
    try {
      const outcome = await this.#context.runner.run(this.#probe, { container: this.#container, containerId, podIp });
      if (this.#stopped || containerId !== this.#containerId) return;
      if (outcome.kind === 'failure') warn('Unhealthy', `${this.kind} probe failed: ${outcome.output}`);
      if (outcome.kind === 'warning') warn('ProbeWarning', `${this.kind} probe warning: ${outcome.output}`);
      result = outcome.kind === 'failure' ? 'failure' : 'success';
    } catch (error) {
      // The probe itself failed, which tells nothing about the container, so its result stays.
      if (!this.#stopped) warn('Unhealthy', `${this.kind} probe errored and resulted in unknown state: ${errorText(error)}`);
      return;
    }
    const { tracker, verdict } = track(this.#tracker, result, this.#probe);
    this.#tracker = tracker;
    if (verdict === undefined) return;
    if ((this.kind === 'Liveness' && verdict === 'failure') || this.kind === 'Startup') {
      this.#onHold = true;
      this.#tracker = freshTracker;
    }
    this.#context.setResult(this.#uid, this.kind, containerId, verdict);
  }

  trigger(kind: ProbeKind, containerId: string): void {
    if (kind === this.kind && containerId === this.#containerId) this.#schedule(0);
  }

  /** Sets the result to success, so that the pod's end does not look like a failed probe. */
  setSuccess(): void {
    if (this.#containerId !== '') this.#context.setResult(this.#uid, this.kind, this.#containerId, 'success');
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
  }
}
