/** The class by which the kubelet evicts pods, and the kernel kills them when memory runs out. Pure. */
import { compareQuantity } from '../quantity.ts';
import type { Pod, PodSpec, ResourceRequirements } from '../types.generated.ts';
import { type Amounts, addAmounts, amountOf, amountsOf, type ResourceList } from './requests.ts';

const classes = ['Guaranteed', 'Burstable', 'BestEffort'] as const;
export type QosClass = (typeof classes)[number];

/** As the API server wrote it at creation; computed where it did not, or what stands there is none: control groups are named for it. */
export const qosClass = ({ spec, status }: Pick<Pod, 'spec' | 'status'>): QosClass =>
  classes.find((one) => one === status?.qosClass) ?? computeQosClass(spec);

/**
 * From the pod-level resources where the pod has them, else from all containers and init containers. Requests that are absent count as
 * the limits, which is what defaulting makes of them.
 * Source: upstream `pkg/apis/core/v1/helper/qos/qos.go` (ComputePodQOS).
 */
export function computeQosClass(spec: PodSpec): QosClass {
  const parts: (ResourceRequirements | undefined)[] =
    spec.resources === undefined
      ? [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ resources }) => resources)
      : [spec.resources];
  let requests: Amounts = {};
  let limits: Amounts = {};
  let areAllLimited = true;
  for (const part of parts) {
    const own = computeAmounts(part?.limits);
    limits = addAmounts(limits, own);
    requests = addAmounts(requests, computeAmounts({ ...part?.limits, ...part?.requests }));
    if (own['cpu'] === undefined || own['memory'] === undefined) areAllLimited = false;
  }
  const names = Object.keys(requests);
  if (names.length === 0) return 'BestEffort';
  const areEqual =
    names.length === Object.keys(limits).length && names.every((name) => amountOf(requests, name) === amountOf(limits, name));
  return areAllLimited && areEqual ? 'Guaranteed' : 'Burstable';
}

/** CPU and memory that are more than zero. */
function computeAmounts(list: ResourceList | undefined): Amounts {
  const counted = Object.entries(list ?? {}).filter(
    ([name, quantity]) => (name === 'cpu' || name === 'memory') && compareQuantity(quantity, 0) > 0,
  );
  return amountsOf(Object.fromEntries(counted));
}
