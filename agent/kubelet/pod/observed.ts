/** A pod as observed in the container runtime: the input of `computePodActions` and of the pod's status. */
import type { CgroupLimits } from '#agent/host/cgroup.ts';
import type { ContainerStatus, PodSandboxStatus } from '#agent/runtime/runtime.ts';
import type { ContainerLabels } from '../container/labels.ts';

/** A container as the runtime's last answer describes it. */
export interface ObservedContainer {
  /** The container's name in the pod's spec. */
  name: string;
  sandboxId: string;
  status: ContainerStatus;
  labels: ContainerLabels;
}

/** A pod as the runtime last reported it. Empty lists: the runtime has no sandbox or container of it. */
export interface ObservedPod {
  uid: string;
  name: string;
  namespace: string;
  /** Newest first. */
  sandboxes: readonly PodSandboxStatus[];
  /** Newest first. */
  containers: readonly ObservedContainer[];
  /** The limits of the pod's control group; undefined: the group has none, or they were not read. */
  cgroup?: CgroupLimits | undefined;
}

/** The newest container of that name; undefined when the runtime has none. */
export const findContainer = (observed: ObservedPod, name: string): ObservedContainer | undefined =>
  observed.containers.find((container) => container.name === name);

/** Whether the container runs. One whose state the runtime does not know does not count. */
export const isRunning = (container: ObservedContainer): boolean => container.status.state === 'CONTAINER_RUNNING';
/** The containers that run, those of earlier sandboxes included. */
export const runningContainers = (observed: ObservedPod): ObservedContainer[] => observed.containers.filter(isRunning);

/** The sandbox that the pod's containers live in, when it is up. */
export function readySandbox(observed: ObservedPod): PodSandboxStatus | undefined {
  const newest = observed.sandboxes[0];
  return newest?.state === 'SANDBOX_READY' ? newest : undefined;
}

/** The addresses of the pod's sandbox, one per IP family; none while it has no sandbox that is up, or no network of its own. */
export function podIps(observed: ObservedPod): string[] {
  const sandbox = readySandbox(observed);
  if (sandbox === undefined || sandbox.network.ip === '') return [];
  return [sandbox.network.ip, ...sandbox.network.additionalIps];
}
