/**
 * What a pod's containers ask for together, its QoS class, and the defaults of pod-level resources.
 *
 * Source: upstream `component-helpers/resource/helpers.go`, `pkg/apis/core/helper/qos`, KEP-2837.
 */
import type { Quantity } from '#api/json.ts';
import { addQuantity, compareQuantity, formatQuantity, parseQuantity } from '#api/quantity.ts';
import type { Container, PodSpec, ResourceRequirements } from '#api/types.generated.ts';

export type ResourceList = Record<string, Quantity>;

/** The exponent of a thousandth. */
const MILLI = -3;

/** Resources that may be given for a pod as a whole. */
export const isPodLevelResource = (name: string): boolean => name === 'cpu' || name === 'memory' || isHugePages(name);
export const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
/** In the `kubernetes.io` domain, with or without a prefix. */
export const isNativeResource = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
/** Whether requests may be lower than limits. */
export const isOvercommitAllowed = (name: string): boolean => isNativeResource(name) && !isHugePages(name);

function add(list: ResourceList, more: ResourceList = {}): void {
  for (const [name, quantity] of Object.entries(more)) {
    const had = list[name];
    list[name] = had === undefined ? quantity : formatQuantity(addQuantity(had, quantity));
  }
}

function raise(list: ResourceList, other: ResourceList): void {
  for (const [name, quantity] of Object.entries(other)) {
    const had = list[name];
    if (had === undefined || compareQuantity(quantity, had) > 0) list[name] = quantity;
  }
}

/**
 * The containers' requests (or limits) at the pod's hungriest moment: all regular containers and sidecars together, or an
 * init container with the sidecars started before it.
 */
export function aggregateContainers(spec: PodSpec, which: 'requests' | 'limits'): ResourceList {
  const total: ResourceList = {};
  for (const { resources } of spec.containers ?? []) add(total, resources?.[which]);
  const sidecars: ResourceList = {};
  const starting: ResourceList = {};
  for (const container of spec.initContainers ?? []) {
    const own = container.resources?.[which];
    if (container.restartPolicy === 'Always') {
      add(total, own);
      add(sidecars, own);
      raise(starting, sidecars);
    } else {
      const moment: ResourceList = { ...own };
      add(moment, sidecars);
      raise(starting, moment);
    }
  }
  raise(total, starting);
  return total;
}

/** Nothing is counted in parts of a thousandth: finer quantities are rounded away from zero. In place. @throws QuantityError */
export function roundUpResources({ limits, requests }: ResourceRequirements): void {
  for (const list of [limits, requests]) {
    if (list === undefined) continue;
    for (const [name, quantity] of Object.entries(list)) {
      const { unscaled, scale, format } = parseQuantity(quantity);
      const divisor = scale < MILLI ? 10n ** BigInt(MILLI - scale) : 1n;
      const rest = unscaled % divisor;
      if (rest === 0n) continue;
      const milli = unscaled / divisor + (rest > 0n ? 1n : -1n);
      list[name] = formatQuantity({ unscaled: milli, scale: MILLI, format });
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
  const requests: ResourceList = { ...resources.requests };
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

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** The class by which the kubelet evicts; computed once, at creation. Absent requests count as the limits, as the defaults make them. */
export function qosClassOf(spec: PodSpec): QosClass {
  const parts: (ResourceRequirements | undefined)[] =
    spec.resources !== undefined
      ? [spec.resources]
      : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ resources }: Container) => resources);
  const requests: ResourceList = {};
  const limits: ResourceList = {};
  let guaranteed = true;
  for (const part of parts) {
    const own = computeOf(part?.limits);
    add(limits, own);
    add(requests, computeOf({ ...part?.limits, ...part?.requests }));
    if (own['cpu'] === undefined || own['memory'] === undefined) guaranteed = false;
  }
  const names = Object.keys(requests);
  if (names.length === 0 && Object.keys(limits).length === 0) return 'BestEffort';
  const equal = names.length === Object.keys(limits).length && names.every((name) => sameQuantity(requests[name], limits[name]));
  return guaranteed && equal ? 'Guaranteed' : 'Burstable';
}

/** CPU and memory that are more than zero. */
function computeOf(list: ResourceList = {}): ResourceList {
  return Object.fromEntries(
    Object.entries(list).filter(([name, quantity]) => (name === 'cpu' || name === 'memory') && compareQuantity(quantity, 0) > 0),
  );
}

function sameQuantity(a: Quantity | undefined, b: Quantity | undefined): boolean {
  return a !== undefined && b !== undefined && compareQuantity(a, b) === 0;
}
