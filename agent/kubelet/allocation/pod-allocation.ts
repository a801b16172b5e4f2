/**
 * The allocation of a pod: the resources of its containers as they were when the node admitted the pod or accepted its last resize. The
 * pod's spec may request other resources meanwhile. Pure.
 *
 * Source: upstream `pkg/kubelet/allocation` (allocationFromPod, updatePodFromAllocation); KEP-1287, KEP-5419.
 */
import { ownValue, setOwn } from '#api/own-value.ts';
import { amountOf, podRequests } from '#api/pod/requests.ts';
import { compareQuantity, QuantityError } from '#api/quantity.ts';
import type { Container, Pod, ResourceRequirements } from '#api/types.generated.ts';

/** The allocated resources of each container and of the pod as a whole. */
export interface PodAllocation {
  /** By the container's name: containers and init containers. */
  containers: Readonly<Record<string, ResourceRequirements>>;
  pod?: ResourceRequirements | undefined;
}

/** The resources that the pod's spec requests. */
export function desiredAllocation({ spec }: Pick<Pod, 'spec'>): PodAllocation {
  const containers: Record<string, ResourceRequirements> = {};
  for (const { name, resources } of [...spec.containers, ...(spec.initContainers ?? [])])
    setOwn(containers, name, resources ?? {});
  return { containers, ...(spec.resources === undefined ? {} : { pod: spec.resources }) };
}

/** The pod with its allocated resources in place of those of the spec. Returns the same object when they are equal. */
export function withAllocation(pod: Pod, { containers, pod: ofPod }: PodAllocation): Pod {
  let isChanged = !sameResources(pod.spec.resources, ofPod);
  const promised = (container: Container): Container => {
    const resources = ownValue(containers, container.name);
    if (resources === undefined || sameResources(container.resources, resources)) return container;
    isChanged = true;
    return { ...container, resources };
  };
  const spec = {
    ...pod.spec,
    containers: pod.spec.containers.map(promised),
    ...(pod.spec.initContainers === undefined ? {} : { initContainers: pod.spec.initContainers.map(promised) }),
  };
  if (!isChanged) return pod;
  if (ofPod === undefined) delete spec.resources;
  else spec.resources = ofPod;
  return { ...pod, spec };
}

/** Whether both mean the same amounts, even if written differently (`1000m` and `1`). */
export function sameResources(a: ResourceRequirements | undefined, b: ResourceRequirements | undefined): boolean {
  return a === b || (sameAmounts(a?.requests, b?.requests) && sameAmounts(a?.limits, b?.limits));
}

type Amounts = ResourceRequirements['limits'];

function sameAmounts(a: Amounts = {}, b: Amounts = {}): boolean {
  const names = Object.keys(a);
  if (a === b) return true;
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => {
    const [one, other] = [a[name], ownValue(b, name)];
    if (one === undefined || other === undefined) return false;
    return one === other || isSameQuantity(one, other);
  });
}

function isSameQuantity(a: string | number, b: string | number): boolean {
  try {
    return compareQuantity(a, b) === 0;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}

/** Whether the resize requests more CPU or memory than is allocated. Resizes that do not are granted first. */
export function asksForMore(pod: Pod, allocated: Pod): boolean {
  const [wanted, has] = [podRequests({ spec: pod.spec }), podRequests({ spec: allocated.spec })];
  return ['cpu', 'memory'].some((name) => amountOf(wanted, name) > amountOf(has, name));
}
