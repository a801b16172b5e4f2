/**
 * Keeps the {@link ServiceState} of one address family up to date, at a cost in proportion to what has changed: only services of which
 * something has changed are read again. The ports of the others stay the same objects.
 */
import { keyOf } from '#api/meta.ts';
import { firstIndex } from '#api/sorted-list.ts';
import type { Steps } from '#api/steps.ts';
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import { type LeftOut, leftOut, unreadable } from '#client/left-out.ts';
import { comparePorts, type ServicePortState, type ServiceState, type StateOptions, serviceOf, serviceState } from './state.ts';

/** Services that are read between two steps: some milliseconds. */
const servicesPerStep = 50;

type OneService = Pick<ServiceState, 'ports' | 'leftOut'>;

/** Is told of every change of the objects, and makes the state of it when asked. */
export class ServiceIndex {
  readonly #options: StateOptions;
  readonly #services = new Map<string, Service>();
  /** By service, then by the name of the slice. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  /** Slices that cannot be read. */
  readonly #unreadable = new Map<string, LeftOut>();
  readonly #read = new Map<string, OneService>();
  /** The services with parts that are left out. */
  readonly #leftOut = new Map<string, readonly LeftOut[]>();
  #dirty = new Set<string>();
  #ports: readonly ServicePortState[] = [];
  #zone: string | undefined;

  constructor(options: StateOptions) {
    this.#options = options;
    this.#zone = options.zone;
  }

  setService(service: Service): void {
    const key = keyOf(service);
    this.#services.set(key, service);
    this.#dirty.add(key);
  }

  deleteService(service: Service): void {
    const key = keyOf(service);
    this.#services.delete(key);
    this.#dirty.add(key);
  }

  /** @param previous the slice as it was before; it may have been of another service */
  setSlice(slice: EndpointSlice, previous?: EndpointSlice): void {
    if (previous !== undefined) this.deleteSlice(previous);
    const { name } = slice.metadata;
    const key = this.#serviceOf(slice);
    if (key === undefined) return;
    const slices = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
    this.#slices.set(key, slices.set(String(name), slice));
    this.#dirty.add(key);
  }

  deleteSlice(slice: EndpointSlice): void {
    const key = this.#serviceOf(slice);
    this.#unreadable.delete(keyOf(slice));
    const slices = key === undefined ? undefined : this.#slices.get(key);
    if (key === undefined || slices === undefined) return;
    slices.delete(String(slice.metadata.name));
    if (slices.size === 0) this.#slices.delete(key);
    this.#dirty.add(key);
  }

  /** The zone of the node: topology hints depend on it. */
  setZone(zone: string | undefined): void {
    if (zone === this.#zone) return;
    this.#zone = zone;
    for (const key of this.#services.keys()) this.#dirty.add(key);
  }

  /** Reads what has changed. What changes meanwhile is for the next call. */
  *state(): Steps<ServiceState> {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    const removed = new Set<ServicePortState>();
    const fresh: ServicePortState[] = [];
    let count = 0;
    for (const key of dirty) {
      if (++count % servicesPerStep === 0) yield;
      for (const port of this.#read.get(key)?.ports ?? []) removed.add(port);
      const one = this.#readService(key);
      if (one === undefined) this.#read.delete(key);
      else this.#read.set(key, one);
      if (one === undefined || one.leftOut.length === 0) this.#leftOut.delete(key);
      else this.#leftOut.set(key, one.leftOut);
      for (const port of one?.ports ?? []) fresh.push(port);
    }
    const since = this.#ports;
    if (removed.size + fresh.length > 0) this.#ports = merge(since, removed, fresh.sort(comparePorts));
    return {
      family: this.#options.family ?? 'IPv4',
      ports: this.#ports,
      leftOut: [...this.#unreadable.values(), ...[...this.#leftOut.values()].flat()],
      delta: { since, gone: [...removed], fresh },
    };
  }

  #readService(key: string): OneService | undefined {
    const service = this.#services.get(key);
    if (service === undefined) return undefined;
    const slices = [...(this.#slices.get(key)?.values() ?? [])];
    return serviceState(service, slices, { ...this.#options, zone: this.#zone });
  }

  #serviceOf(slice: EndpointSlice): string | undefined {
    try {
      return serviceOf(slice);
    } catch (error) {
      this.#unreadable.set(keyOf(slice), leftOut('EndpointSlice', slice, unreadable(error)));
      return undefined;
    }
  }
}

/** `sorted` without `removed`, with `added`, which is sorted, too. */
function merge(
  sorted: readonly ServicePortState[],
  removed: ReadonlySet<ServicePortState>,
  added: readonly ServicePortState[],
): ServicePortState[] {
  if (removed.size + added.length < fewChanges) return spliced(sorted, removed, added);
  const all: ServicePortState[] = [];
  let next = 0;
  for (const port of sorted) {
    if (removed.has(port)) continue;
    for (let one = added[next]; one !== undefined && comparePorts(one, port) < 0; one = added[++next]) all.push(one);
    all.push(port);
  }
  for (const one of added.slice(next)) all.push(one);
  return all;
}

/** Below this number of changes, single ports are put into a copy of the list. */
const fewChanges = 50;

function spliced(
  sorted: readonly ServicePortState[],
  removed: ReadonlySet<ServicePortState>,
  added: readonly ServicePortState[],
): ServicePortState[] {
  const all = sorted.slice();
  for (const port of removed) {
    const at = placeOf(all, port);
    if (all[at] === port) all.splice(at, 1);
  }
  for (const port of added) all.splice(placeOf(all, port), 0, port);
  return all;
}

/** The index of the first port that does not come before `port`. */
const placeOf = (sorted: readonly ServicePortState[], port: ServicePortState): number =>
  firstIndex(sorted, (one) => comparePorts(one, port) >= 0);
