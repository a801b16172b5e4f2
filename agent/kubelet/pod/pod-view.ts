/** One pod as the last look at the runtime showed it, and the status that follows from it. */
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

/** What looking at a pod and reporting its status needs of its node. */
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
  /** What the node has for pods, as its status reports it. */
  allocatable(): Record<string, string | number>;
  cgroups: Pick<PodCgroups, 'read'>;
  resizes: Pick<Resizes, 'allocated' | 'actuated' | 'conditions' | 'observed'>;
}

/** What is known of one pod on this node. It is as old as the last look. */
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

  /** What the last look showed; undefined before the first one. */
  get observed(): ObservedPod | undefined {
    return this.#observed;
  }

  get #pod(): Pod {
    return this.#state().pod;
  }

  /** Looks at the pod. @throws RuntimeError when the runtime cannot be asked */
  async observe(): Promise<ObservedPod> {
    const { uid, name, namespace = '' } = this.#pod.metadata;
    const [observed, cgroup] = await Promise.all([
      this.#deps.observer.observe({ uid, name, namespace }),
      this.#deps.cgroups.read(this.#pod),
    ]);
    this.#observed = { ...observed, cgroup };
    return this.#observed;
  }

  /** What containers may learn of their pod and node through the downward API. */
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
   * Computes the status and hands it to the status writer, if anybody can read it still.
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
    // Who sees a terminal phase may give the pod's volumes and addresses to another pod: no container may run then.
    const isTooEarly =
      isTerminalPhase(computed.phase) && !isTerminalPhase(previous.phase) && runningContainers(observed).length > 0;
    const reported = isTooEarly
      ? { ...computed, phase: previous.phase ?? 'Pending', reason: previous.reason, message: previous.message }
      : computed;
    if (!state.hasLeft) statuses.set(pod, reported);
    return computed;
  }
}
