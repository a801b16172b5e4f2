/**
 * Names of resources, and the defaults of pod-level resources.
 *
 * Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/helper/helpers.go`, KEP-2837.
 */

import type { Quantity } from '#api/json.ts';
import { setOwn } from '#api/own-value.ts';
import { aggregateContainers, isPodLevelResource } from '#api/pod/requests.ts';
import { formatQuantity, parseQuantity } from '#api/quantity.ts';
import type { PodSpec, ResourceRequirements } from '#api/types.generated.ts';

/** The decimal exponent of one thousandth. */
const MILLI = -3;

/** Whether it is a resource of huge pages: `hugepages-2Mi`. */
export const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
/** Whether the resource is Kubernetes' own: in the domain `kubernetes.io`, or without a domain. */
export const isNativeResource = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
/** Whether requests may be lower than limits. */
export const isOvercommitAllowed = (name: string): boolean => isNativeResource(name) && !isHugePages(name);

/** Rounds quantities to thousandths, away from zero, because nothing finer is counted. In place. @throws QuantityError */
export const roundUpResources = ({ limits, requests }: ResourceRequirements): void => roundUpQuantities(limits, requests);

/** Does the same to any lists of quantities by resource. @throws QuantityError */
export function roundUpQuantities(...lists: readonly (Record<string, Quantity> | undefined)[]): void {
  for (const list of lists) {
    if (list === undefined) continue;
    for (const [name, quantity] of Object.entries(list)) {
      const { unscaled, scale, format } = parseQuantity(quantity);
      const divisor = scale < MILLI ? 10n ** BigInt(MILLI - scale) : 1n;
      const rest = unscaled % divisor;
      if (rest === 0n) continue;
      const milli = unscaled / divisor + (rest > 0n ? 1n : -1n);
      setOwn(list, name, formatQuantity({ unscaled: milli, scale: MILLI, format }));
    }
  }
}

/** Pod-level requests default to what the containers ask for, else to the pod's limits. In place. @throws QuantityError */
export function defaultPodLevelRequests(spec: PodSpec): void {
  const { resources } = spec;
  if (resources === undefined) return;
  defaultPodLevelHugePages(spec, resources);
  const limits = resources.limits ?? {};
  if (Object.keys(limits).length === 0) return;
  const requests: Record<string, Quantity> = { ...resources.requests };
  for (const [name, quantity] of Object.entries(aggregateContainers(spec, 'requests'))) {
    if (isPodLevelResource(name) && isOvercommitAllowed(name)) requests[name] ??= quantity;
  }
  for (const [name, quantity] of Object.entries(limits)) if (isPodLevelResource(name)) requests[name] ??= quantity;
  if (Object.keys(requests).length > 0) resources.requests = requests;
}

function defaultPodLevelHugePages(spec: PodSpec, resources: ResourceRequirements): void {
  const given = { ...resources.limits, ...resources.requests };
  if (Object.keys(given).length === 0) return;
  for (const [name, quantity] of Object.entries(aggregateContainers(spec, 'limits'))) {
    if (isHugePages(name) && resources.requests?.[name] === undefined && resources.limits?.[name] === undefined) {
      resources.limits = { ...resources.limits, [name]: quantity };
    }
  }
}
