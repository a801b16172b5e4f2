/**
 * Finds running containers whose CPU or memory differs from the pod's allocation, and plans how to change them. Pure.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (computePodResizeAction).
 */

import { isSidecar } from '#api/pod/containers.ts';
import { amount } from '#api/pod/requests.ts';
import type { Container, Pod, ResourceRequirements } from '#api/types.generated.ts';
import type { ObservedContainer, ObservedPod } from '../pod/observed.ts';
import { isRunning } from '../pod/observed.ts';
import { effectiveResources } from '../resources/resources.ts';

/** Current or wanted resources of a container. 0: no request, or no limit. */
export interface Measures {
  cpuRequestMillis: number;
  cpuLimitMillis: number;
  memoryRequestBytes: number;
  memoryLimitBytes: number;
}

/** A running container that is resized in place, without a restart. */
export interface ContainerUpdate {
  container: Container;
  /** The runtime's ID of the container. */
  id: string;
  from: Measures;
  to: Measures;
}

/** The updates in the order in which they are done: containers that shrink first, to make room for those that grow. */
export interface ResizePlan {
  memory: ContainerUpdate[];
  cpu: ContainerUpdate[];
}

/** Returns the resources that a running container was last given. Undefined when they are unknown: the container is left unchanged. */
export type Actuated = (container: ObservedContainer) => ResourceRequirements | undefined;

/** CPU (millicores) and memory (bytes) of a container's requests and limits. */
export const measuresOf = ({ requests, limits }: ResourceRequirements): Measures => ({
  cpuRequestMillis: amount('cpu', requests?.['cpu']),
  cpuLimitMillis: amount('cpu', limits?.['cpu']),
  memoryRequestBytes: amount('memory', requests?.['memory']),
  memoryLimitBytes: amount('memory', limits?.['memory']),
});

/** What a resize means for one container: it keeps running (with the updates of the plan, if any), or must restart. */
export type ResizeStep = 'keep' | 'restart';

/** Plans the resize of one running container. Adds the updates to `plan`. */
export function planContainerResize(
  plan: ResizePlan,
  pod: Pod,
  container: Container,
  current: ObservedContainer,
  actuated: Actuated,
): ResizeStep {
  const given = actuated(current);
  if (given === undefined) return 'keep';
  const [from, to] = [measuresOf(given), measuresOf(effectiveResources(pod, container))];
  const changed = {
    cpu: from.cpuRequestMillis !== to.cpuRequestMillis || from.cpuLimitMillis !== to.cpuLimitMillis,
    memory: from.memoryRequestBytes !== to.memoryRequestBytes || from.memoryLimitBytes !== to.memoryLimitBytes,
  };
  const restarts = (container.resizePolicy ?? []).some(
    ({ resourceName, restartPolicy }) =>
      restartPolicy === 'RestartContainer' && (resourceName === 'cpu' || resourceName === 'memory') && changed[resourceName],
  );
  if (restarts) return 'restart';
  const update: ContainerUpdate = { container, id: current.status.id, from, to };
  if (changed.memory) {
    const sign = to.memoryLimitBytes - from.memoryLimitBytes || to.memoryRequestBytes - from.memoryRequestBytes;
    place(plan.memory, update, sign);
  }
  if (changed.cpu) {
    const sign = to.cpuLimitMillis - from.cpuLimitMillis || to.cpuRequestMillis - from.cpuRequestMillis;
    place(plan.cpu, update, sign);
  }
  return 'keep';
}

function place(updates: ContainerUpdate[], update: ContainerUpdate, sign: number): void {
  if (sign > 0) updates.push(update);
  else updates.unshift(update);
}

/** Whether a running container's resources differ from the pod's allocation. */
export function isResizeInProgress(pod: Pod, observed: ObservedPod, actuated: Actuated): boolean {
  const counted = [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)];
  // The list has the newest container first. Reversed, the newest one of each name is set last and wins.
  const newest = new Map(observed.containers.toReversed().map((one) => [one.name, one]));
  return counted.some((container) => {
    const current = newest.get(container.name);
    if (current === undefined || !isRunning(current)) return false;
    const given = actuated(current);
    if (given === undefined) return false;
    const [from, to] = [measuresOf(given), measuresOf(effectiveResources(pod, container))];
    return (Object.keys(to) as (keyof Measures)[]).some((name) => from[name] !== to[name]);
  });
}
