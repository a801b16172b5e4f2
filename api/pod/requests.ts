/**
 * The resource requests and limits of a whole pod. A request is the larger of two sums: all containers with all sidecars, or one
 * init container with the sidecars that started before it. Pod-level resources replace the sum. The overhead of the runtime class
 * is added. Pure.
 *
 * Source: component-helpers `resource/helpers.go` (PodRequests, PodLimits); KEP-753, KEP-1287, KEP-2837.
 */
import type { Quantity } from '../json.ts';
import { ownValue, setOwn } from '../own-value.ts';
import { addQuantity, compareQuantity, formatQuantity, QuantityError, toMillis, toNumber } from '../quantity.ts';
import type { Container, ContainerStatus, Pod, PodSpec } from '../types.generated.ts';
import { podCondition } from './conditions.ts';
import { isSidecar } from './containers.ts';

/** Quantities by resource name, in the API's notation. */
export type ResourceList = Readonly<Record<string, Quantity>>;

/** Amounts by resource name. `cpu` is in millicores, every other resource in whole units (bytes, counts). An absent one is 0. */
export type Amounts = Readonly<Record<string, number>>;

/** Options of {@link podRequests} and {@link podLimits}. */
export interface PodResourceOptions {
  /**
   * Whether a container that is being resized also counts with its actual resources, from its status (KEP-1287). Default false.
   */
  useStatus?: boolean;
  /** Requests of containers that have none for a resource. Scores of the scheduler use small defaults. */
  containerDefaults?: Amounts;
  /** Whether to leave out the overhead of the runtime class. Default false. */
  withoutOverhead?: boolean;
}

/** The requests of the whole pod. A malformed quantity counts as 0, see {@link unreadableAmounts}. */
export function podRequests(pod: Pick<Pod, 'spec' | 'status'>, options: PodResourceOptions = {}): Amounts {
  const state = options.useStatus === true ? resizeState(pod) : undefined;
  const containers = combineContainers(pod.spec, (container) => containerRequests(state, container, options), amounts);
  const spec = podLevel(pod.spec.resources?.requests);
  const total = { ...containers, ...podLevelInEffect(spec, state, 'requests') };
  return options.withoutOverhead === true ? total : addAmounts(total, amountsOf(pod.spec.overhead));
}

/**
 * The limits of the whole pod. When only some containers limit a resource, the result is the sum of their limits, although the
 * pod is not limited: call {@link isLimited} first.
 */
export function podLimits(pod: Pick<Pod, 'spec' | 'status'>, options: PodResourceOptions = {}): Amounts {
  const state = options.useStatus === true ? resizeState(pod) : undefined;
  const containers = combineContainers(pod.spec, (container) => containerLimits(state, container), amounts);
  const spec = podLevel(pod.spec.resources?.limits);
  const total = { ...containers, ...podLevelInEffect(spec, state, 'limits') };
  if (options.withoutOverhead === true) return total;
  const overhead = Object.entries(amountsOf(pod.spec.overhead)).filter(([name]) => amountOf(total, name) !== 0);
  return addAmounts(total, Object.fromEntries(overhead));
}

/** Whether the whole pod is limited in a resource: it has a limit itself, or every container has one. */
export function isLimited(pod: Pick<Pod, 'spec'>, name: string): boolean {
  if (amountOf(podLevel(pod.spec.resources?.limits), name) > 0) return true;
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].every(
    ({ resources }) => amountOf(amountsOf(resources?.limits), name) > 0,
  );
}

/**
 * Like {@link podRequests} for the containers alone, or their limits. The result is exact and in the API's notation. @throws
 * QuantityError
 */
export function aggregateContainers(
  spec: Pick<PodSpec, 'containers' | 'initContainers'>,
  which: 'requests' | 'limits',
): ResourceList {
  return combineContainers(spec, ({ resources }) => resources?.[which] ?? {}, quantities);
}

/**
 * Like {@link podRequests} or {@link podLimits} with the status of containers, but exact and in the API's notation: what quotas
 * count. @throws QuantityError
 */
export function podResourceList(pod: Pick<Pod, 'spec' | 'status'>, which: 'requests' | 'limits'): ResourceList {
  const { spec } = pod;
  const state = resizeState(pod);
  const containers = combineContainers(spec, (container) => exactList(state, container, which), quantities);
  const given = Object.entries(spec.resources?.[which] ?? {}).filter(([name]) => isPodLevelResource(name));
  const total: ResourceList = { ...containers, ...Object.fromEntries(given) };
  const overhead = Object.entries(spec.overhead ?? {}).filter(
    ([name]) => which === 'requests' || compareQuantity(ownValue(total, name) ?? 0, 0) !== 0,
  );
  return combine(total, Object.fromEntries(overhead), quantities.add);
}

function exactList(state: ResizeState, container: Container, which: 'requests' | 'limits'): ResourceList {
  const own = container.resources?.[which] ?? {};
  const actual = state.statusOf(container);
  if (actual?.resources === undefined) return own;
  const given: ResourceList = actual.resources[which] ?? {};
  const held = which === 'limits' ? given : combine(given, actual.allocatedResources ?? {}, quantities.larger);
  return state.isInfeasible ? held : combine(own, held, quantities.larger);
}

/**
 * The amounts of a resource list. Malformed and negative quantities count as 0, so that they do not distort the sums of other
 * pods.
 */
export function amountsOf(list: ResourceList | undefined): Amounts {
  return Object.fromEntries(
    Object.entries(list ?? {}).flatMap(([name, quantity]) => {
      const read = readAmount(name, quantity);
      return read === undefined ? [] : [[name, Math.max(0, read)]];
    }),
  );
}

function readAmount(name: string, quantity: Quantity): number | undefined {
  try {
    return amount(name, quantity);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

/** The quantities that {@link amountsOf} counts as 0 because they are malformed or negative, with their paths. */
export function unreadableAmounts(list: ResourceList | undefined, path: string): string[] {
  return Object.entries(list ?? {}).flatMap(([name, quantity]) => {
    const read = readAmount(name, quantity);
    if (read !== undefined && read >= 0) return [];
    return [`${path}[${name}]: ${JSON.stringify(quantity)} ${read === undefined ? 'is no quantity' : 'is negative'}`];
  });
}

/** One quantity in the units of {@link Amounts}; an absent one is 0. @throws QuantityError */
export const amount = (name: string, quantity: Quantity | undefined): number =>
  quantity === undefined ? 0 : name === 'cpu' ? toMillis(quantity) : toNumber(quantity);

/** The amount of a resource. Names come from users, so inherited properties such as `constructor` must not be found. */
export const amountOf = (list: Amounts, name: string): number => (Object.hasOwn(list, name) ? (list[name] ?? 0) : 0);

/** The sums of two lists of amounts. @param sign -1 subtracts `b` */
export const addAmounts = (a: Amounts, b: Amounts, sign: 1 | -1 = 1): Amounts => combine(a, b, (x = 0, y) => x + sign * y);

/** Whether a pod may have pod-level requests of the resource: cpu, memory and huge pages (KEP-2837). */
export const isPodLevelResource = (name: string): boolean => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

const podLevel = (list: ResourceList | undefined): Amounts =>
  amountsOf(Object.fromEntries(Object.entries(list ?? {}).filter(([name]) => isPodLevelResource(name))));

interface Arithmetic<T> {
  add(a: T | undefined, b: T): T;
  larger(a: T | undefined, b: T): T;
}

const amounts: Arithmetic<number> = { add: (a = 0, b) => a + b, larger: (a, b) => Math.max(a ?? b, b) };
const quantities: Arithmetic<Quantity> = {
  add: (a, b) => (a === undefined ? b : formatQuantity(addQuantity(a, b))),
  larger: (a, b) => (a === undefined || compareQuantity(b, a) > 0 ? b : a),
};

type ListOf<T> = Readonly<Record<string, T>>;

/** Adds up in place, and looks at each name of each container once: a pod may have thousands of containers. */
function combineContainers<T>(
  spec: Pick<PodSpec, 'containers' | 'initContainers'>,
  listOf: (container: Container) => ListOf<T>,
  { add, larger }: Arithmetic<T>,
): ListOf<T> {
  const running: Record<string, T> = {};
  for (const container of spec.containers ?? []) combineInto(running, listOf(container), add);
  const sidecars: Record<string, T> = {};
  const starting: Record<string, T> = {};
  for (const container of spec.initContainers ?? []) {
    const own = listOf(container);
    if (isSidecar(container)) combineInto(running, own, add);
    // Names that only the sidecars have are in `starting` already.
    for (const [name, value] of Object.entries(own)) {
      const ofSidecars = ownValue(sidecars, name);
      // A sum of quantities is written in the format of its first term, and upstream begins with an init container's own.
      const sum = ofSidecars === undefined || isSidecar(container) ? add(ofSidecars, value) : add(value, ofSidecars);
      if (isSidecar(container)) setOwn(sidecars, name, sum);
      setOwn(starting, name, larger(ownValue(starting, name), sum));
    }
  }
  combineInto(running, starting, larger);
  return running;
}

type Join<T> = (x: T | undefined, y: T) => T;

function combine<T>(a: ListOf<T>, b: ListOf<T>, join: Join<T>): ListOf<T> {
  const result: Record<string, T> = { ...a };
  combineInto(result, b, join);
  return result;
}

function combineInto<T>(result: Record<string, T>, list: ListOf<T>, join: Join<T>): void {
  for (const [name, value] of Object.entries(list)) setOwn(result, name, join(ownValue(result, name), value));
}

function containerRequests(
  state: ResizeState | undefined,
  container: Container,
  { containerDefaults }: PodResourceOptions,
): Amounts {
  const spec = amountsOf(container.resources?.requests);
  const actual = state?.statusOf(container);
  if (actual?.resources === undefined) return { ...containerDefaults, ...spec };
  const held = combine(amountsOf(actual.resources.requests), amountsOf(actual.allocatedResources), amounts.larger);
  return { ...containerDefaults, ...(state?.isInfeasible === true ? held : combine(spec, held, amounts.larger)) };
}

function containerLimits(state: ResizeState | undefined, container: Container): Amounts {
  const spec = amountsOf(container.resources?.limits);
  const actual = state?.statusOf(container);
  if (actual?.resources === undefined) return spec;
  const held = amountsOf(actual.resources.limits);
  return state?.isInfeasible === true ? held : combine(spec, held, amounts.larger);
}

/** The state of a resize, from the pod's status (KEP-1287, KEP-5419). */
interface ResizeState {
  status: Pod['status'];
  isInfeasible: boolean;
  /** The status of a container that runs as long as the pod. An init container that ends counts with its spec. */
  statusOf(container: Container): ContainerStatus | undefined;
}

function resizeState({ status }: Pick<Pod, 'status'>): ResizeState {
  const byName = (list: readonly ContainerStatus[] | undefined): Map<string, ContainerStatus> =>
    new Map((list ?? []).map((one) => [one.name, one]));
  const [containers, init] = [byName(status?.containerStatuses), byName(status?.initContainerStatuses)];
  return {
    status,
    isInfeasible: podCondition({ status }, 'PodResizePending')?.reason === 'Infeasible',
    statusOf: (container) => containers.get(container.name) ?? (isSidecar(container) ? init.get(container.name) : undefined),
  };
}

/** The pod-level resources that count while the pod is being resized. */
function podLevelInEffect(spec: Amounts, state: ResizeState | undefined, which: 'requests' | 'limits'): Amounts {
  const actual = state?.status?.resources;
  if (actual === undefined) return spec;
  const given = amountsOf(actual[which]);
  const held = which === 'limits' ? given : combine(given, amountsOf(state?.status?.allocatedResources), amounts.larger);
  const counted = ([name, value]: [string, number]): [string, number] => {
    const own = amountOf(held, name);
    return [name, state?.isInfeasible === true ? own : Math.max(value, own)];
  };
  return Object.fromEntries(Object.entries(spec).map(counted));
}
