/**
 * Computes `containerStatuses` from the observed containers. Pure.
 *
 * Source: upstream `pkg/kubelet/kubelet_pods.go` (convertToAPIContainerStatuses), `pkg/kubelet/prober/prober_manager.go`
 * (ready and started).
 */

import type { ContainerStatus as CriStatus } from '#agent/runtime/runtime.ts';
import { rfc3339 } from '#api/meta.ts';
import { allContainers, type ContainerKind, initContainers, isSidecar } from '#api/pod/containers.ts';
import type { Container, ContainerState, ContainerStateTerminated, ContainerStatus, Pod } from '#api/types.generated.ts';
import type { Actuated } from '../allocation/resize-plan.ts';
import type { ObservedContainer, ObservedPod } from '../pod/observed.ts';
import { findContainer, isRunning } from '../pod/observed.ts';
import { shouldRestartAfterExit } from '../pod/pod-spec.ts';
import { runningResources } from './reported-resources.ts';

/** Why a container could not be started. It becomes the container's `waiting` state. */
export interface StartFailure {
  reason: string;
  message: string;
}

/** The results of probes for a running container. Without a probe, the container counts as ready, or as started. */
export interface Readiness {
  started(container: Container, containerId: string): boolean;
  ready(container: Container, containerId: string): boolean;
}

/** The inputs of the statuses of one list of containers. */
export interface ContainerStatusInputs {
  pod: Pod;
  observed: ObservedPod;
  kind: ContainerKind;
  containers: readonly Container[];
  previous: readonly ContainerStatus[];
  /** The resources that running containers were last given. */
  actuated: Actuated;
  /** By container name. */
  failures: ReadonlyMap<string, StartFailure>;
  readiness: Readiness;
  /** `containerd`, `docker`: the scheme of container IDs. */
  runtimeName: string;
}

/** The limit of all termination messages of a pod; each container gets an equal share. */
const maxPodMessageBytes = 12 * 1024;

function messageShare(pod: Pod, message: string): string {
  const bytes = Buffer.from(message);
  return bytes.subarray(0, Math.floor(maxPodMessageBytes / [...allContainers(pod)].length)).toString('utf8');
}

/**
 * Why the container ended. `OOMKilled` comes from the kernel's log, which may be lost later, so a reason that was reported once is kept.
 */
function endReason({ reason }: CriStatus, containerID: string, previous: ContainerStatus | undefined): string {
  const said = [previous?.state?.terminated, previous?.lastState?.terminated].find((end) => end?.containerID === containerID);
  return reason === 'Error' && said?.reason === 'OOMKilled' ? said.reason : reason;
}

function terminatedState(
  pod: Pod,
  { status }: ObservedContainer,
  containerID: string,
  previous: ContainerStatus | undefined,
): ContainerStateTerminated {
  const reason = endReason(status, containerID, previous);
  return {
    exitCode: status.exitCode,
    ...(reason === '' ? {} : { reason }),
    ...(status.message === '' ? {} : { message: messageShare(pod, status.message) }),
    // A container that could not be started gets the epoch as its start, as in upstream.
    startedAt: rfc3339(status.startedAtMs),
    finishedAt: rfc3339(status.finishedAtMs),
    containerID,
  };
}

function stateOf(
  pod: Pod,
  container: ObservedContainer,
  containerID: string,
  previous: ContainerStatus | undefined,
): ContainerState {
  switch (container.status.state) {
    case 'CONTAINER_RUNNING':
      return { running: { startedAt: rfc3339(container.status.startedAtMs) } };
    case 'CONTAINER_EXITED':
      return { terminated: terminatedState(pod, container, containerID, previous) };
    case 'CONTAINER_CREATED':
      return { waiting: {} };
    case 'CONTAINER_UNKNOWN':
      return {
        terminated: {
          reason: 'ContainerStatusUnknown',
          message: 'The container could not be located when the pod was terminated',
          exitCode: 137,
        },
      };
  }
}

const lost = (message: string): ContainerStateTerminated => ({ reason: 'ContainerStatusUnknown', message, exitCode: 137 });

/** A status for a container that the runtime does not have: never made, or removed. */
function absentStatus(
  { pod, kind, observed }: ContainerStatusInputs,
  container: Container,
  previous: ContainerStatus | undefined,
): ContainerStatus {
  const reason =
    initContainers(pod).length > 0 && kind === 'container'
      ? 'PodInitializing'
      : kind === 'init'
        ? 'PodInitializing'
        : 'ContainerCreating';
  const base = { name: container.name, image: container.image ?? '', imageID: '', ready: false };
  if (previous?.state?.terminated !== undefined) return { ...previous, ready: false };
  const anyCreated = pod.spec.containers.some(({ name }) => findContainer(observed, name) !== undefined);
  if (kind === 'init' && anyCreated && !isSidecar(container)) {
    const message =
      'Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally';
    return {
      ...base,
      restartCount: previous?.restartCount ?? 0,
      state: { terminated: { reason: 'Completed', message, exitCode: 0 } },
    };
  }
  const waiting: ContainerState = { waiting: { reason } };
  if (previous?.state?.running === undefined || previous.lastState?.terminated !== undefined) {
    return { ...base, restartCount: previous?.restartCount ?? 0, state: waiting, lastState: previous?.lastState ?? {} };
  }
  const message = 'The container could not be located when the pod was deleted.  The container used to be Running';
  const restartCount = previous.restartCount + (pod.metadata.deletionTimestamp === undefined ? 1 : 0);
  return { ...base, restartCount, state: waiting, lastState: { terminated: lost(message) } };
}

function presentStatus(
  inputs: ContainerStatusInputs,
  container: Container,
  current: ObservedContainer,
  before: ObservedContainer | undefined,
  previous: ContainerStatus | undefined,
): ContainerStatus {
  const idOf = ({ status }: ObservedContainer): string => `${inputs.runtimeName}://${status.id}`;
  const { status } = current;
  // Init containers of an earlier sandbox are removed before they run again: only the last report knows how they ended.
  const removed = previous?.containerID === idOf(current) ? undefined : previous?.state?.terminated;
  const known = removed === undefined ? (previous?.lastState ?? {}) : { terminated: removed };
  const lastState = before === undefined ? known : { terminated: terminatedState(inputs.pod, before, idOf(before), previous) };
  return {
    name: container.name,
    image: status.image.userSpecifiedImage || status.image.image || container.image || '',
    imageID: status.imageRef,
    containerID: idOf(current),
    ready: false,
    restartCount: current.labels.restartCount,
    state: stateOf(inputs.pod, current, idOf(current), previous),
    lastState,
    resources: isRunning(current) ? runningResources(container, current, inputs.actuated(current)) : (container.resources ?? {}),
    ...(container.resources?.requests === undefined ? {} : { allocatedResources: container.resources.requests }),
    ...(status.user === undefined
      ? {}
      : {
          user: {
            linux: { uid: status.user.uid, gid: status.user.gid, supplementalGroups: [...status.user.supplementalGroups] },
          },
        }),
  };
}

const mayStart = (pod: Pod, container: Container, kind: ContainerKind, current: ObservedContainer | undefined): boolean => {
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  if (current === undefined || current.status.state === 'CONTAINER_CREATED' || current.status.state === 'CONTAINER_UNKNOWN')
    return true;
  if (current.status.state === 'CONTAINER_RUNNING' || kind === 'ephemeral') return false;
  if (kind === 'init' && !isSidecar(container) && current.status.exitCode === 0) return false;
  return shouldRestartAfterExit(pod, container, current.status.exitCode);
};

/** The status of a container that could not be started: it waits, with the reason, and its last end moves to `lastState`. */
function withFailure(
  inputs: ContainerStatusInputs,
  container: Container,
  current: ObservedContainer | undefined,
  status: ContainerStatus,
): ContainerStatus {
  const failure = inputs.failures.get(container.name);
  if (failure === undefined || !mayStart(inputs.pod, container, inputs.kind, current)) return status;
  return {
    ...status,
    ...(status.state?.terminated === undefined ? {} : { lastState: { terminated: status.state.terminated } }),
    state: { waiting: { reason: failure.reason, ...(failure.message === '' ? {} : { message: failure.message }) } },
  };
}

function withReadiness(
  { readiness, kind }: ContainerStatusInputs,
  container: Container,
  current: ObservedContainer | undefined,
  status: ContainerStatus,
): ContainerStatus {
  const running = status.state?.running !== undefined && current !== undefined;
  const started = running && readiness.started(container, current.status.id);
  if (kind === 'ephemeral') return status;
  if (kind === 'init' && !isSidecar(container)) return { ...status, started, ready: status.state?.terminated?.exitCode === 0 };
  return { ...status, started, ready: started && readiness.ready(container, current.status.id) };
}

function volumeMountStatuses(container: Container): Pick<ContainerStatus, 'volumeMounts'> {
  const mounts = container.volumeMounts ?? [];
  if (mounts.length === 0) return {};
  return {
    volumeMounts: mounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly === true ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
    })),
  };
}

/** One status per container of the list, sorted by name; init containers in the order of the spec. Pure. */
export function containerStatuses(inputs: ContainerStatusInputs): ContainerStatus[] {
  const made = inputs.containers.map((container) => {
    const previous = inputs.previous.find(({ name }) => name === container.name);
    const [current, before] = inputs.observed.containers.filter(({ name }) => name === container.name);
    const base =
      current === undefined
        ? absentStatus(inputs, container, previous)
        : presentStatus(inputs, container, current, before, previous);
    const status = withReadiness(inputs, container, current, withFailure(inputs, container, current, base));
    return { ...status, ...volumeMountStatuses(container) };
  });
  return inputs.kind === 'init' ? made : made.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
