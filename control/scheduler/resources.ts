/** What pods ask for and nodes offer, as the scheduler counts it. Pure. */
import type { Quantity } from '#api/json.ts';
import { toMillis, toNumber } from '#api/quantity.ts';
import type { Container, Pod } from '#api/types.generated.ts';

/** Amounts by resource name: `cpu` in millicores, everything else in whole units (bytes, counts). Absent is none. */
export type Amounts = Readonly<Record<string, number>>;

export interface PodResources {
  /** What the pod occupies on its node: what the kubelet will reserve for it. */
  requested: Amounts;
  /** The same with a small cpu and memory demand for containers that name none, so that scores see them. */
  nonZero: Amounts;
}

/** Counted for scoring only (upstream's DefaultMilliCPURequest, DefaultMemoryRequest). */
const scoringDefaults: Amounts = { cpu: 100, memory: 200 * 1024 * 1024 };

const cached = new WeakMap<Pod, PodResources>();

/** Cached by object: pods are never changed in place. */
export function podResources(pod: Pod): PodResources {
  let known = cached.get(pod);
  if (known === undefined) {
    known = { requested: podRequests(pod, {}), nonZero: podRequests(pod, scoringDefaults) };
    cached.set(pod, known);
  }
  return known;
}

export function amountsOf(quantities: Readonly<Record<string, Quantity>> | undefined): Amounts {
  return Object.fromEntries(
    Object.entries(quantities ?? {}).map(([name, quantity]) => [name, name === 'cpu' ? toMillis(quantity) : toNumber(quantity)]),
  );
}

export const addAmounts = (a: Amounts, b: Amounts, sign: 1 | -1 = 1): Amounts => combine(a, b, (x, y) => x + sign * y);
const maxAmounts = (a: Amounts, b: Amounts): Amounts => combine(a, b, Math.max);

function combine(a: Amounts, b: Amounts, join: (x: number, y: number) => number): Amounts {
  const result: Record<string, number> = { ...a };
  for (const [name, amount] of Object.entries(b)) result[name] = join(result[name] ?? 0, amount);
  return result;
}

/**
 * The larger of what runs at once: all containers with all sidecars, or an init container with the sidecars started before
 * it; pod-level requests instead where they are set; plus the overhead of the runtime class (KEP-753, KEP-2837).
 */
function podRequests(pod: Pod, defaults: Amounts): Amounts {
  const { spec } = pod;
  let running: Amounts = {};
  for (const container of spec.containers) running = addAmounts(running, containerRequests(pod, container, defaults));
  let sidecars: Amounts = {};
  let starting: Amounts = {};
  for (const container of spec.initContainers ?? []) {
    const own = containerRequests(pod, container, defaults);
    if (container.restartPolicy === 'Always') {
      running = addAmounts(running, own);
      sidecars = addAmounts(sidecars, own);
      starting = maxAmounts(starting, sidecars);
    } else {
      starting = maxAmounts(starting, addAmounts(own, sidecars));
    }
  }
  const ofPod = amountsOf(spec.resources?.requests);
  return addAmounts({ ...maxAmounts(running, starting), ...ofPod }, amountsOf(spec.overhead));
}

/** While a container is resized it counts with the larger of what it has and what it is to have (KEP-1287). */
function containerRequests({ status }: Pod, container: Container, defaults: Amounts): Amounts {
  const asked = amountsOf(container.resources?.requests);
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const actual = statuses.find(({ name }) => name === container.name);
  const infeasible =
    status?.conditions?.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible') === true;
  let effective = asked;
  if (actual?.resources !== undefined) {
    const held = maxAmounts(amountsOf(actual.resources.requests), amountsOf(actual.allocatedResources));
    effective = infeasible ? held : maxAmounts(asked, held);
  }
  return { ...defaults, ...effective };
}
