/**
 * A pod's phase from its containers' statuses. Pure. Source: upstream `pkg/kubelet/kubelet_pods.go` (getPhase).
 */
import { initContainers, isSidecar } from '#api/pod/containers.ts';
import type { ContainerStatus, Pod } from '#api/types.generated.ts';
import { shouldRestartAfterExit } from '../pod/pod-spec.ts';

/** The phases that a kubelet reports. */
export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

interface Counts {
  unknown: number;
  running: number;
  waiting: number;
  stopped: number;
  stoppedForGood: number;
  succeeded: number;
}

/** Progress of initialization: whether init containers must still run, or one has failed for good. */
function initProgress(pod: Pod, statuses: ReadonlyMap<string, ContainerStatus>): { pending: boolean; failed: boolean } {
  let pending = false;
  let failed = false;
  for (const container of initContainers(pod)) {
    if (isSidecar(container)) continue;
    const status = statuses.get(container.name);
    const end = status?.state?.terminated ?? (status?.state?.waiting === undefined ? undefined : status.lastState?.terminated);
    if (end === undefined) pending = true;
    else if (end.exitCode !== 0 && !shouldRestartAfterExit(pod, container, end.exitCode)) failed = true;
  }
  return { pending, failed };
}

function countSidecars(pod: Pod, statuses: ReadonlyMap<string, ContainerStatus>, counts: Counts): boolean {
  let pending = false;
  for (const container of initContainers(pod)) {
    if (!isSidecar(container)) continue;
    const status = statuses.get(container.name);
    if (status === undefined) counts.unknown++;
    else if (status.state?.running !== undefined) {
      if (status.started !== true) pending = true;
      counts.running++;
    } else if (status.state?.waiting !== undefined && status.lastState?.terminated === undefined) {
      pending = true;
      counts.waiting++;
    }
  }
  return pending;
}

function countContainers(pod: Pod, statuses: ReadonlyMap<string, ContainerStatus>, counts: Counts): void {
  for (const container of pod.spec.containers) {
    const status = statuses.get(container.name);
    const end = status?.state?.terminated ?? (status?.state?.waiting === undefined ? undefined : status.lastState?.terminated);
    if (status?.state?.running !== undefined) counts.running++;
    else if (end !== undefined) {
      counts.stopped++;
      if (!shouldRestartAfterExit(pod, container, end.exitCode)) counts.stoppedForGood++;
      if (status?.state?.terminated?.exitCode === 0) counts.succeeded++;
    } else if (status?.state?.waiting !== undefined) counts.waiting++;
    else counts.unknown++;
  }
}

/** The inputs of a pod's phase. */
export interface PhaseInputs {
  pod: Pod;
  /** The statuses of init containers and containers, by name. */
  statuses: ReadonlyMap<string, ContainerStatus>;
  /** The pod's containers will not be restarted, whatever the policy. */
  isTerminal: boolean;
  /** One of the pod's containers was created in the present sandbox: initialization is over. */
  hasInitialized: boolean;
}

/** The phase by the states of the containers and the restart policies. Pure. */
export function podPhase({ pod, statuses, isTerminal, hasInitialized }: PhaseInputs): PodPhase {
  const init = initProgress(pod, statuses);
  if (init.failed) return 'Failed';
  const counts: Counts = { unknown: 0, running: 0, waiting: 0, stopped: 0, stoppedForGood: 0, succeeded: 0 };
  const sidecarsPending = countSidecars(pod, statuses, counts);
  countContainers(pod, statuses, counts);
  if (init.pending || (sidecarsPending && !hasInitialized) || counts.waiting > 0) return 'Pending';
  if (counts.running > 0 && counts.unknown === 0) return 'Running';
  if (counts.running === 0 && counts.stopped > 0 && counts.unknown === 0) {
    if (!isTerminal && counts.stopped !== counts.stoppedForGood) return 'Running';
    return counts.stopped === counts.succeeded ? 'Succeeded' : 'Failed';
  }
  return 'Pending';
}
