/** Computes a pod's status from its spec, the observed containers and the previous status. Pure. */

import { rfc3339 } from '#api/meta.ts';
import { isTerminalPhase } from '#api/pod/conditions.ts';
import { ephemeralContainers, initContainers } from '#api/pod/containers.ts';
import { qosClass } from '#api/pod/qos.ts';
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '#api/types.generated.ts';
import type { Actuated } from '../allocation/resize-plan.ts';
import { sandboxDecision } from '../pod/compute-pod-actions.ts';
import type { ObservedPod } from '../pod/observed.ts';
import { findContainer, podIps } from '../pod/observed.ts';
import type { Readiness, StartFailure } from './container-statuses.ts';
import { containerStatuses } from './container-statuses.ts';
import { podConditions } from './pod-conditions.ts';
import { podPhase } from './pod-phase.ts';
import { podResources } from './reported-resources.ts';

/** The inputs of a pod's status. `nowMs`: since the epoch. */
export interface PodStatusInputs {
  pod: Pod;
  observed: ObservedPod;
  /** The status that was last reported; it may be newer than `pod.status`. */
  previous: PodStatus;
  /** The resources that running containers were last given. */
  actuated: Actuated;
  /** The conditions of a resize, if any. */
  resize: readonly PodCondition[];
  failures: ReadonlyMap<string, StartFailure>;
  readiness: Readiness;
  runtimeName: string;
  hostIps: readonly string[];
  /** The containers are stopped for good: the pod was deleted, evicted or has ended. */
  isTerminal: boolean;
  /** The reason when the kubelet itself ended the pod, such as `Evicted` or `DeadlineExceeded`. */
  failed?: { reason: string; message: string } | undefined;
  nowMs: number;
}

/** The status as upstream would report it. Pure. Source: upstream `pkg/kubelet/kubelet_pods.go` (generateAPIPodStatus). */
export function podStatus(inputs: PodStatusInputs): PodStatus {
  const { pod, observed, previous, resize, nowMs } = inputs;
  const init = statusesOf(inputs, 'init');
  const containers = statusesOf(inputs, 'container');
  const ephemeral = statusesOf(inputs, 'ephemeral');
  const statuses = new Map([...init, ...containers].map((status) => [status.name, status]));
  const { phase, reason, message } = outcome(inputs, statuses);
  const ips = addresses(inputs);
  return {
    ...pickForeign(pod.status),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: podConditions({
      pod,
      previous,
      phase,
      statuses,
      resize,
      nowMs,
      hasSandbox: !sandboxDecision(pod, observed).changed,
    }),
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    ...(inputs.hostIps[0] === undefined ? {} : { hostIP: inputs.hostIps[0], hostIPs: inputs.hostIps.map((ip) => ({ ip })) }),
    ...(ips[0] === undefined ? {} : { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
    startTime: previous.startTime ?? rfc3339(nowMs),
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    containerStatuses: containers,
    qosClass: qosClass(pod),
    ...podResources(pod, phase, observed.cgroup),
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
  };
}

/** Fields that other components own. */
function pickForeign(status: PodStatus | undefined): PodStatus {
  return {
    ...(status?.nominatedNodeName === undefined ? {} : { nominatedNodeName: status.nominatedNodeName }),
    ...(status?.resourceClaimStatuses === undefined ? {} : { resourceClaimStatuses: status.resourceClaimStatuses }),
  };
}

function statusesOf(
  { pod, observed, previous, actuated, failures, readiness, runtimeName }: PodStatusInputs,
  kind: 'init' | 'container' | 'ephemeral',
): ContainerStatus[] {
  const containers =
    kind === 'init' ? initContainers(pod) : kind === 'container' ? pod.spec.containers : ephemeralContainers(pod);
  const before =
    kind === 'init'
      ? previous.initContainerStatuses
      : kind === 'container'
        ? previous.containerStatuses
        : previous.ephemeralContainerStatuses;
  return containerStatuses({
    pod,
    observed,
    kind,
    containers,
    previous: before ?? [],
    actuated,
    failures,
    readiness,
    runtimeName,
  });
}

function outcome(
  { pod, observed, previous, isTerminal, failed }: PodStatusInputs,
  statuses: ReadonlyMap<string, ContainerStatus>,
): { phase: string; reason?: string | undefined; message?: string | undefined } {
  const sandbox = observed.sandboxes[0];
  const hasInitialized = pod.spec.containers.some(({ name }) => {
    const container = findContainer(observed, name);
    return container !== undefined && container.sandboxId === sandbox?.id;
  });
  // A pod never leaves a phase that is final.
  const settled = [previous.phase, pod.status?.phase].find(isTerminalPhase);
  if (settled !== undefined)
    return { phase: settled, reason: previous.reason ?? pod.status?.reason, message: previous.message ?? pod.status?.message };
  if (failed !== undefined) return { phase: 'Failed', ...failed };
  const phase = podPhase({ pod, statuses, isTerminal, hasInitialized });
  return phase === previous.phase ? { phase, reason: previous.reason, message: previous.message } : { phase };
}

/** A pod keeps the addresses it had when its sandbox is gone. */
function addresses({ pod, observed, previous, hostIps }: PodStatusInputs): readonly string[] {
  if (pod.spec.hostNetwork === true) return hostIps;
  const current = podIps(observed);
  return current.length > 0 ? current : (previous.podIPs ?? []).map(({ ip }) => ip);
}

/** The status of a pod that this node rejects. Pure. @param nowMs since the epoch */
export function rejectedStatus(pod: Pod, reason: string, message: string, nowMs: number): PodStatus {
  return {
    ...pod.status,
    phase: 'Failed',
    reason,
    message: `Pod was rejected: ${message}`,
    startTime: pod.status?.startTime ?? rfc3339(nowMs),
    qosClass: qosClass(pod),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

/** The status of a pod whose containers are all stopped: each container has an end, and the phase is final. Pure. */
export function terminatedStatus(pod: Pod, status: PodStatus): PodStatus {
  const initializedOnce =
    initContainers(pod).length === 0 ||
    (status.conditions ?? []).some(({ type, status: value }) => type === 'Initialized' && value === 'True');
  const ended = (container: ContainerStatus): ContainerStatus =>
    container.state?.terminated !== undefined || !initializedOnce
      ? container
      : {
          ...container,
          ready: false,
          started: false,
          state: {
            terminated: {
              reason: 'ContainerStatusUnknown',
              message: 'The container could not be located when the pod was terminated',
              exitCode: 137,
            },
          },
        };
  return {
    ...status,
    phase: isTerminalPhase(status.phase) ? status.phase : 'Failed',
    ...(status.containerStatuses === undefined ? {} : { containerStatuses: status.containerStatuses.map(ended) }),
  };
}
