/**
 * The pools of devices that a node can reach, with the slices that count: of a pool's generations the newest, if it is complete. Pure.
 *
 * Source: dynamic-resource-allocation `structured/internal/incubating/pools_incubating.go`.
 */

import { ownValue } from '#api/own-value.ts';
import { type NodeIdentity, type NodeMatcher, nodeSelector } from '#api/pod/node-selector.ts';
import type { CounterSet, NodeSelector, ResourceSlice } from '#api/types.generated.ts';

/** A pool, as one node sees it. */
export interface DevicePool {
  readonly driver: string;
  readonly name: string;
  /** Its driver is changing it. Nothing is allocated from it. */
  readonly isIncomplete: boolean;
  /** Why its driver's description cannot be used. Nothing is allocated from it. */
  readonly problem?: string | undefined;
  /** With devices that the node may reach, sorted by name. */
  readonly slices: readonly ResourceSlice[];
  /** The others, which may use the same counters. */
  readonly otherSlices: readonly ResourceSlice[];
  readonly counterSets: ReadonlyMap<string, CounterSet>;
}

const poolKey = ({ spec }: ResourceSlice): string => `${spec.driver}/${spec.pool.name}`;

/** Slices by what they are looked up by. */
export class SliceIndex {
  readonly #ofNode = new Map<string, ResourceSlice[]>();
  readonly #ofPool = new Map<string, ResourceSlice[]>();
  readonly #anywhere: ResourceSlice[] = [];

  constructor(slices: Iterable<ResourceSlice>) {
    for (const slice of slices) {
      const { nodeName = '', sharedCounters = [] } = slice.spec;
      if (nodeName === '' || sharedCounters.length > 0) this.#anywhere.push(slice);
      else this.#ofNode.getOrInsertComputed(nodeName, () => []).push(slice);
      this.#ofPool.getOrInsertComputed(poolKey(slice), () => []).push(slice);
    }
  }

  /** Those that may concern the node. */
  ofNode(name: string): readonly ResourceSlice[] {
    return [...(this.#ofNode.get(name) ?? []), ...this.#anywhere];
  }

  /** All of the pool, of any generation. */
  ofPool(slice: ResourceSlice): readonly ResourceSlice[] {
    return this.#ofPool.get(poolKey(slice)) ?? [];
  }
}

const matchers = new WeakMap<NodeSelector, NodeMatcher>();

/** Whether something that is at this place can be reached from the node. */
export function reaches(
  node: NodeIdentity,
  place: { nodeName?: string | undefined; allNodes?: boolean | undefined; nodeSelector?: NodeSelector | undefined },
): boolean {
  if ((place.nodeName ?? '') !== '') return place.nodeName === node.name;
  if (place.allNodes === true) return true;
  const { nodeSelector: selector } = place;
  return selector !== undefined && matchers.getOrInsertComputed(selector, () => nodeSelector(selector))(node);
}

/** The pools with devices for the node, in the order in which they are tried. */
export function poolsOf(node: NodeIdentity, index: SliceIndex): DevicePool[] {
  const byPool = new Map<string, ResourceSlice[]>();
  for (const slice of index.ofNode(node.name)) {
    if (!concernsNode(node, slice)) continue;
    const others = byPool.get(poolKey(slice)) ?? [];
    const generation = others[0]?.spec.pool.generation ?? slice.spec.pool.generation;
    if (slice.spec.pool.generation < generation) continue;
    byPool.set(poolKey(slice), slice.spec.pool.generation > generation ? [slice] : [...others, slice]);
  }
  const pools = [...byPool.values()].flatMap((slices) => poolOf(slices, index) ?? []);
  // Drivers say by names what comes first. Devices that are to be prepared before a pod is bound come last.
  const isLate = ({ slices }: DevicePool): boolean =>
    slices.some(({ spec }) => (spec.devices ?? []).some(({ bindingConditions }) => bindingConditions !== undefined));
  return pools.sort(
    (a, b) => Number(isLate(a)) - Number(isLate(b)) || compareText(a.driver, b.driver) || compareText(a.name, b.name),
  );
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function concernsNode(node: NodeIdentity, { spec }: ResourceSlice): boolean {
  // Counters are needed wherever their devices are.
  if ((spec.sharedCounters ?? []).length > 0) return true;
  if (spec.perDeviceNodeSelection === true) return (spec.devices ?? []).some((device) => reaches(node, device));
  return reaches(node, spec);
}

/** @param found those of one generation that concern the node @returns undefined: a newer generation is on its way, without this node */
function poolOf(found: readonly ResourceSlice[], index: SliceIndex): DevicePool | undefined {
  const [first] = found;
  if (first === undefined) return undefined;
  const { driver, pool } = first.spec;
  const all = index.ofPool(first);
  if (found.length !== pool.resourceSliceCount && all.some(({ spec }) => spec.pool.generation > pool.generation))
    return undefined;
  const complete =
    found.length === pool.resourceSliceCount ? found : all.filter(({ spec }) => spec.pool.generation === pool.generation);
  const empty = { driver, name: pool.name, slices: [], otherSlices: [], counterSets: new Map<string, CounterSet>() };
  if (complete.length !== pool.resourceSliceCount) return { ...empty, isIncomplete: true };
  const sorted = [...found].sort((a, b) => compareText(a.metadata.name, b.metadata.name));
  const slices = sorted.filter(({ spec }) => (spec.sharedCounters ?? []).length === 0);
  const otherSlices = complete.filter((slice) => !found.includes(slice));
  const counterSets = new Map<string, CounterSet>();
  for (const { spec } of sorted)
    for (const set of spec.sharedCounters ?? []) {
      if (counterSets.has(set.name)) return { ...empty, isIncomplete: false, problem: `duplicate counter set name ${set.name}` };
      counterSets.set(set.name, set);
    }
  const problem = namesProblem(slices) ?? countersProblem([...slices, ...otherSlices], counterSets);
  if (problem !== undefined) return { ...empty, isIncomplete: false, problem };
  return { driver, name: pool.name, isIncomplete: false, slices, otherSlices, counterSets };
}

function namesProblem(slices: readonly ResourceSlice[]): string | undefined {
  const names = new Set<string>();
  for (const { spec } of slices)
    for (const { name } of spec.devices ?? []) {
      if (names.has(name)) return `duplicate device name ${name}`;
      names.add(name);
    }
  return undefined;
}

function countersProblem(slices: readonly ResourceSlice[], sets: ReadonlyMap<string, CounterSet>): string | undefined {
  for (const { spec } of slices)
    for (const { consumesCounters = [] } of spec.devices ?? [])
      for (const { counterSet, counters } of consumesCounters) {
        const set = sets.get(counterSet);
        if (set === undefined) return `counter set ${counterSet} not found`;
        const missing = Object.keys(counters).find((name) => ownValue(set.counters, name) === undefined);
        if (missing !== undefined) return `counter ${missing} not found in counter set ${counterSet}`;
      }
  return undefined;
}
