/** A pod as the container runtime has it: what `computePodActions` and the status are computed from. */
import type { ContainerStatus, PodSandboxStatus } from '#agent/runtime/runtime.ts';
import type { ContainerLabels } from '../container/labels.ts';

export interface ObservedContainer {
  /** Of the pod's container. */
  name: string;
  sandboxId: string;
  status: ContainerStatus;
  labels: ContainerLabels;
}

export interface ObservedPod {
  uid: string;
  name: string;
  namespace: string;
  /** Newest first. */
  sandboxes: readonly PodSandboxStatus[];
  /** Newest first. */
  containers: readonly ObservedContainer[];
}

/** The newest container of that name. */
export const findContainer = (observed: ObservedPod, name: string): ObservedContainer | undefined =>
  observed.containers.find((container) => container.name === name);

export const isRunning = (container: ObservedContainer): boolean => container.status.state === 'CONTAINER_RUNNING';
export const runningContainers = (observed: ObservedPod): ObservedContainer[] => observed.containers.filter(isRunning);

/** The sandbox that the pod's containers live in, when it is up. */
export function readySandbox(observed: ObservedPod): PodSandboxStatus | undefined {
  const newest = observed.sandboxes[0];
  return newest?.state === 'SANDBOX_READY' ? newest : undefined;
}

export function podIps(observed: ObservedPod): string[] {
  const sandbox = readySandbox(observed);
  if (sandbox === undefined || sandbox.network.ip === '') return [];
  return [sandbox.network.ip, ...sandbox.network.additionalIps];
}
