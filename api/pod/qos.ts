/**
 * The QoS class of a pod. It decides the order in which the kubelet evicts pods and the kernel kills them when memory runs out.
 * Pure.
 */
import { compareQuantity } from '../quantity.ts';
import type { Pod, PodSpec, ResourceRequirements } from '../types.generated.ts';
import { type Amounts, addAmounts, amountOf, amountsOf, type ResourceList } from './requests.ts';

const classes = ['Guaranteed', 'Burstable', 'BestEffort'] as const;
/** `Guaranteed`, `Burstable` or `BestEffort`. */
export type QosClass = (typeof classes)[number];

/**
 * The QoS class in the pod's status, which the API server sets at creation. It is computed when the status has none or an unknown
 * one, because the value becomes part of a control group's name.
 */
export const qosClass = ({ spec, status }: Pick<Pod, 'spec' | 'status'>): QosClass =>
  classes.find((one) => one === status?.qosClass) ?? computeQosClass(spec);

/**
 * Computes the QoS class from the pod-level resources if the pod has them, or from all containers and init containers. An absent
 * request counts as the limit, as the API's defaults set it.
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

/** The amounts of CPU and memory that are greater than zero. */
function computeAmounts(list: ResourceList | undefined): Amounts {
  const counted = Object.entries(list ?? {}).filter(
    ([name, quantity]) => (name === 'cpu' || name === 'memory') && compareQuantity(quantity, 0) > 0,
  );
  return amountsOf(Object.fromEntries(counted));
}
