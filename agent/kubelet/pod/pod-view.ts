/** One pod as last observed in the runtime, and the status computed from it. */
import { isTerminalPhase } from '#api/pod/conditions.ts';
import type { Pod, PodStatus } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { type Actuated, isResizeInProgress } from '../allocation/resize-plan.ts';
import type { Resizes } from '../allocation/resizes.ts';
import type { PodFacts } from '../container/field-ref.ts';
import type { Probes } from '../probes/probes.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import type { StartFailure } from '../status/container-statuses.ts';
import { podStatus } from '../status/pod-status.ts';
import type { StatusWriter } from '../status/status-writer.ts';
import type { Observer } from './observe.ts';
import { type ObservedPod, podIps, runningContainers } from './observed.ts';
import type { PodWorkerState } from './worker-state/types.ts';

/** The dependencies of {@link PodView}. */
export interface PodViewDeps {
  observer: Observer;
  probes: Probes;
  statuses: StatusWriter;
  clock: Clock;
  /** The container runtime's name in container IDs: `containerd`, `docker`. */
  runtimeName: string;
  /** The node's addresses, one per IP family. */
  hostIps: readonly string[];
  nodeName: string;
  /** The node's allocatable resources, as its status reports them. */
  allocatable(): Record<string, string | number>;
  cgroups: Pick<PodCgroups, 'read'>;
  resizes: Pick<Resizes, 'allocated' | 'actuated' | 'conditions' | 'observed'>;
}

/** The kubelet's view of one pod. It is as old as the last observation. */
export class PodView {
  readonly #deps: PodViewDeps;
  readonly #state: () => PodWorkerState;
  #observed: ObservedPod | undefined;
  /** Why containers could not be started, by name, at the last sync. */
  startFailures: ReadonlyMap<string, StartFailure> = new Map();

  /** @param state the worker's present state: a report is about the newest version of the pod */
  constructor(deps: PodViewDeps, state: () => PodWorkerState) {
    this.#deps = deps;
    this.#state = state;
  }

  /** The last observation; undefined before the first one. */
  get observed(): ObservedPod | undefined {
    return this.#observed;
  }

  get #pod(): Pod {
    return this.#state().pod;
  }

  /** Observes the pod in the runtime. @throws RuntimeError when the runtime cannot be asked */
  async observe(): Promise<ObservedPod> {
    const { uid, name, namespace = '' } = this.#pod.metadata;
    const [observed, cgroup] = await Promise.all([
      this.#deps.observer.observe({ uid, name, namespace }),
      this.#deps.cgroups.read(this.#pod),
    ]);
    this.#observed = { ...observed, cgroup };
    return this.#observed;
  }

  /** The facts of pod and node that the downward API can show. */
  facts(observed: ObservedPod): PodFacts {
    const { hostIps, nodeName } = this.#deps;
    return {
      nodeName,
      hostIps,
      podIps: this.#pod.spec.hostNetwork === true ? hostIps : podIps(observed),
      allocatable: this.#deps.allocatable(),
    };
  }

  /** The pod's first address; the empty string while it has none. */
  podIp(observed: ObservedPod): string {
    return this.facts(observed).podIps[0] ?? '';
  }

  /**
   * Computes the status and passes it to the status writer, unless the pod has left the API.
   * @param isTerminal the containers are stopped for good
   * @returns the computed status; what is reported differs where the pod has ended but containers still run
   */
  report(observed: ObservedPod, isTerminal: boolean): PodStatus {
    const { statuses, probes, runtimeName, hostIps, clock, resizes } = this.#deps;
    const state = this.#state();
    const { pod } = state;
    const allocated = resizes.allocated(pod);
    const actuated: Actuated = (container) => resizes.actuated(pod.metadata.uid, container);
    if (state.kind === 'syncing') resizes.observed(allocated, isResizeInProgress(allocated, observed, actuated));
    const previous = statuses.current(pod);
    const computed = podStatus({
      pod: allocated,
      observed,
      previous,
      actuated,
      resize: isTerminal ? [] : resizes.conditions(pod.metadata.uid),
      failures: this.startFailures,
      readiness: probes,
      runtimeName,
      hostIps,
      isTerminal,
      failed: state.kind === 'terminating' ? state.verdict : undefined,
      nowMs: clock.now(),
    });
    // Report a terminal phase only when no container runs: other components reuse the pod's volumes and addresses as soon as they see it.
    const isTooEarly =
      isTerminalPhase(computed.phase) && !isTerminalPhase(previous.phase) && runningContainers(observed).length > 0;
    const reported = isTooEarly
      ? { ...computed, phase: previous.phase ?? 'Pending', reason: previous.reason, message: previous.message }
      : computed;
    if (!state.hasLeft) statuses.set(pod, reported);
    return computed;
  }
}
