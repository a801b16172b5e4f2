/**
 * Chooses devices for claims on one node: claim by claim, request by request, device by device. When a choice leads to no
 * solution, it is undone and the next one is tried (backtracking). The first solution is taken; drivers decide what is tried
 * first by the names of pools, slices and devices.
 *
 * Source: KEP-4381, KEP-4815 (counters), KEP-4816 (alternatives), KEP-5055 (taints), KEP-5075 (capacity);
 * dynamic-resource-allocation `structured/internal/incubating/allocator_incubating.go`.
 */
import { compileDeviceSelector, DeviceMatchError, type DeviceSelector, DeviceSelectorError } from '#api/dra/device-cel.ts';
import { preventsAllocation } from '#api/dra/device-taints.ts';
import { keyOf } from '#api/meta.ts';
import type { NodeIdentity } from '#api/pod/node-selector.ts';
import { addQuantity, type ParsedQuantity, subtractQuantity } from '#api/quantity.ts';
import type {
  AllocationResult,
  Device,
  DeviceClass,
  DraResourceClaim,
  DeviceSelector as Selector,
} from '#api/types.generated.ts';
import { AllocationError } from './allocation-error.ts';
import { allocationResult } from './allocation-result.ts';
import type { Ask, Candidate, Chosen, Request } from './chosen-device.ts';
import { type Constraint, constraintOf, type RequestName } from './constraints.ts';
import { consumedOf, fitsCapacity } from './consumed-capacity.ts';
import { Counters } from './counters.ts';
import { type DevicePool, poolsOf, reaches, type SliceIndex } from './device-pools.ts';
import { type AllocatedState, type DeviceId, deviceId } from './device-state.ts';

/** The most devices that one claim may have (the API's limit). */
export const maxDevices = 32;
/**
 * The most devices that are tried for one node. The scheduler shares its thread with others, so upstream's limit of ten seconds
 * would be too long.
 */
const maxTries = 200_000;

/** The cluster as the allocator sees it. */
export interface DeviceSupply {
  readonly slices: SliceIndex;
  readonly state: AllocatedState;
  deviceClass(name: string): DeviceClass | undefined;
}

/** The result. `impossible` may carry a reason that lies not in the claims, but for example in a driver's slices. */
export type Allocation =
  | { kind: 'allocated'; results: AllocationResult[] }
  | { kind: 'impossible'; reason?: string }
  /** Too many ways to try. */
  | { kind: 'tooHard' };

/**
 * Chooses devices for all of the claims, or for none. @param newId makes an ID of a share
 * @throws AllocationError
 */
export function allocate(
  claims: readonly DraResourceClaim[],
  node: NodeIdentity,
  supply: DeviceSupply,
  newId: () => string,
): Allocation {
  const search = new Search(claims, node, supply);
  const found = search.run();
  if (found === 'tooHard') return { kind: 'tooHard' };
  if (!found)
    return search.hasInvalidPool
      ? { kind: 'impossible', reason: 'invalid resource pools were encountered' }
      : { kind: 'impossible' };
  return {
    kind: 'allocated',
    results: claims.map((claim, index) => allocationResult(claim, search.chosen(index), search.picked(index), node.name, newId)),
  };
}

/** `tooMany`: more devices than a claim may have, whatever is tried in the requests before. */
type Outcome = boolean | 'tooMany';

/**
 * Where the search for the next device of the same request goes on. Without it, every order of the same devices would be tried.
 */
interface Place {
  readonly pool: number;
  readonly slice: number;
  readonly device: number;
}
const start: Place = { pool: 0, slice: 0, device: 0 };

class TooHardError extends Error {}

class Search {
  readonly #claims: readonly DraResourceClaim[];
  readonly #node: NodeIdentity;
  readonly #supply: DeviceSupply;
  readonly #pools: readonly DevicePool[];
  /** By claim and request: the alternatives, or the request alone. */
  readonly #requests: readonly (readonly (readonly Request[])[])[];
  readonly #constraints: readonly (readonly Constraint[])[];
  readonly #chosen: Chosen[][];
  /** Of each request the alternative that was taken. */
  readonly #picked: number[][];
  readonly #counters: Counters;
  /** Devices that were chosen, and by which claims. */
  readonly #taking = new Map<DeviceId, Set<number>>();
  readonly #capacity = new Map<DeviceId, Map<string, ParsedQuantity>>();
  readonly #matches = new Map<Request | Ask, Map<Device, boolean>>();
  #tries = 0;

  constructor(claims: readonly DraResourceClaim[], node: NodeIdentity, supply: DeviceSupply) {
    this.#claims = claims;
    this.#node = node;
    this.#supply = supply;
    this.#pools = poolsOf(node, supply.slices);
    this.#counters = new Counters(supply.state);
    this.#requests = claims.map((claim) => this.#requestsOf(claim));
    this.#constraints = claims.map(constraintsOf);
    this.#chosen = claims.map(() => []);
    this.#picked = claims.map(() => []);
  }

  get hasInvalidPool(): boolean {
    return this.#pools.some(({ problem }) => problem !== undefined);
  }

  chosen(claim: number): readonly Chosen[] {
    return this.#chosen[claim] ?? [];
  }

  /** The requests of a claim, of alternatives the one that was taken. */
  picked(claim: number): readonly Request[] {
    return (this.#requests[claim] ?? []).flatMap((alternatives, index) => alternatives[this.#picked[claim]?.[index] ?? 0] ?? []);
  }

  run(): boolean | 'tooHard' {
    try {
      return this.#fillClaim(0) === true;
    } catch (error) {
      if (error instanceof TooHardError) return 'tooHard';
      throw error;
    }
  }

  #requestsOf(claim: DraResourceClaim): Request[][] {
    let least = 0;
    const requests = (claim.spec.devices?.requests ?? []).map(({ name, exactly, firstAvailable = [] }) => {
      const alternatives =
        firstAvailable.length > 0
          ? firstAvailable.map((ask) => this.#request(claim, { request: name, subRequest: ask.name }, ask))
          : [this.#request(claim, { request: name }, exactly ?? { deviceClassName: '' })];
      least += Math.min(...alternatives.map(({ count }) => count));
      return alternatives;
    });
    if (least > maxDevices)
      throw new AllocationError(
        `claim ${keyOf(claim)}: number of requested devices ${least} exceeds the claim limit of ${maxDevices}`,
      );
    return requests;
  }

  #request(claim: DraResourceClaim, name: RequestName, ask: Ask): Request {
    const where = `claim ${keyOf(claim)}, request ${name.subRequest ?? name.request}`;
    for (const [index, { cel }] of (ask.selectors ?? []).entries())
      if (cel === undefined)
        throw new AllocationError(`${where}, selector #${index}: CEL expression empty (unsupported selector type?)`);
    if (ask.deviceClassName === '') throw new AllocationError(`${where}: missing device class name (unsupported request type?)`);
    const deviceClass = this.#supply.deviceClass(ask.deviceClassName);
    if (deviceClass === undefined)
      throw new AllocationError(
        `${where}: could not retrieve device class ${ask.deviceClassName}: deviceclass.resource.k8s.io ${JSON.stringify(ask.deviceClassName)} not found`,
      );
    const { allocationMode: mode = 'ExactCount', count = 1 } = ask;
    const request = { ...name, ask, deviceClass, all: undefined, count };
    if (mode === 'ExactCount') return request;
    if (mode !== 'All') throw new AllocationError(`${where}: unsupported count mode ${mode}`);
    const all = this.#all(claim, where, request);
    return { ...request, all, count: all.length };
  }

  #all(claim: DraResourceClaim, where: string, request: Request): Candidate[] {
    for (const { driver, name, isIncomplete, problem } of this.#pools) {
      const state = isIncomplete ? 'being updated' : problem === undefined ? undefined : 'invalid';
      if (state !== undefined)
        throw new AllocationError(`${where}: asks for all devices, but resource pool ${driver}/${name} is currently ${state}`);
    }
    const found: Candidate[] = [];
    this.#walk(start, (candidate) => {
      if (this.#isSelectable(claim, request, candidate) && this.#fits(request, candidate)) found.push(candidate);
      return false;
    });
    return found;
  }

  /** Goes through all devices from a place on, until one is taken. */
  #walk(from: Place, visit: (candidate: Candidate, next: Place) => Outcome): Outcome {
    for (let poolAt = from.pool; poolAt < this.#pools.length; poolAt++) {
      const pool = this.#pools[poolAt];
      if (pool === undefined || pool.isIncomplete || pool.problem !== undefined) continue;
      const samePool = poolAt === from.pool;
      for (let sliceAt = samePool ? from.slice : 0; sliceAt < pool.slices.length; sliceAt++) {
        const slice = pool.slices[sliceAt];
        const devices = slice?.spec.devices ?? [];
        const first = samePool && sliceAt === from.slice ? from.device : 0;
        for (let deviceAt = first; deviceAt < devices.length; deviceAt++) {
          const device = devices[deviceAt];
          if (slice === undefined || device === undefined) continue;
          if (++this.#tries > maxTries) throw new TooHardError();
          const candidate = { id: deviceId(pool.driver, pool.name, device.name), device, slice, pool };
          const outcome = visit(candidate, { pool: poolAt, slice: sliceAt, device: deviceAt + 1 });
          if (outcome !== false) return outcome;
        }
      }
    }
    return false;
  }

  #fillClaim(claim: number): Outcome {
    if (claim >= this.#claims.length) return true;
    // Too many for this claim now, but perhaps not if a claim before it takes other devices.
    return this.#fillRequest(claim, 0) === true;
  }

  #fillRequest(claim: number, at: number): Outcome {
    const alternatives = this.#requests[claim]?.[at];
    if (alternatives === undefined) return this.#fillClaim(claim + 1);
    let areAllTooMany = true;
    for (const [index, request] of alternatives.entries()) {
      const outcome = this.#fill(claim, at, request, 0, start);
      if (outcome === true) {
        const picked = this.#picked[claim];
        if (picked !== undefined) picked[at] = index;
        return true;
      }
      if (outcome === false) areAllTooMany = false;
    }
    return areAllTooMany ? 'tooMany' : false;
  }

  /** Takes one more device for the request, and then all that is still missing. */
  #fill(claim: number, at: number, request: Request, count: number, from: Place): Outcome {
    const { all } = request;
    if (all?.length === 0) return false;
    if (count >= request.count) return this.#fillRequest(claim, at + 1);
    if (this.chosen(claim).length + request.count - count > maxDevices) return 'tooMany';
    if (all !== undefined) {
      const candidate = all[count];
      // The order of these devices does not matter: if one of them cannot be taken, there is no solution.
      if (candidate === undefined || !this.#take(claim, request, candidate, true)) return false;
      const outcome = this.#fill(claim, at, request, count + 1, start);
      if (outcome !== true) this.#giveBack(claim);
      return outcome;
    }
    const object = this.#claims[claim];
    return this.#walk(from, (candidate, next) => {
      if (object === undefined || !this.#isFree(claim, request, candidate)) return false;
      if (!this.#isSelectable(object, request, candidate) || !this.#fits(request, candidate)) return false;
      if (!this.#take(claim, request, candidate, false)) return false;
      const outcome = this.#fill(claim, at, request, count + 1, next);
      if (outcome !== true) this.#giveBack(claim);
      return outcome;
    });
  }

  #isFree(claim: number, { ask }: Request, { id, device }: Candidate): boolean {
    // Access for administrators takes a device from no other claim, but a claim gets no device twice.
    if (ask.adminAccess === true) return device.allowMultipleAllocations === true || this.#taking.get(id)?.has(claim) !== true;
    return !this.#supply.state.devices.has(id) && (this.#taking.get(id)?.size ?? 0) === 0;
  }

  #fits({ ask }: Request, { id, device }: Candidate): boolean {
    return fitsCapacity(ask.capacity, device, this.#supply.state.shared.get(id), this.#capacity.get(id));
  }

  #isSelectable(claim: DraResourceClaim, request: Request, { device, slice, pool }: Candidate): boolean {
    const known = this.#matches.getOrInsertComputed(request.ask, () => new Map<Device, boolean>());
    return known.getOrInsertComputed(device, () => {
      const { deviceClass, ask } = request;
      return (
        selects(`class ${deviceClass.metadata.name}`, deviceClass.spec.selectors, pool.driver, device) &&
        selects(`claim ${keyOf(claim)}`, ask.selectors, pool.driver, device) &&
        (slice.spec.perDeviceNodeSelection !== true || reaches(this.#node, device))
      );
    });
  }

  /** @param must there is no other one @throws AllocationError `must`, and a constraint refuses it */
  #take(claim: number, request: Request, candidate: Candidate, must: boolean): boolean {
    const { id, device, pool } = candidate;
    if (!this.#isFree(claim, request, candidate) || preventsAllocation(device.taints, request.ask.tolerations)) return false;
    if (must && !this.#fits(request, candidate)) return false;
    const usesCounters = this.#usesCounters(candidate);
    if (usesCounters && !this.#counters.take(pool, device)) return false;
    const constraints = this.#constraints[claim] ?? [];
    const refusing = constraints.findIndex((constraint) => !constraint.add(request, device, pool.driver));
    if (refusing >= 0) {
      for (const constraint of constraints.slice(0, refusing)) constraint.remove(request);
      if (usesCounters) this.#counters.giveBack(pool, device);
      const object = this.#claims[claim];
      if (must && object !== undefined)
        throw new AllocationError(
          `claim ${keyOf(object)}, request ${request.subRequest ?? request.request}: cannot add device ${id} because a claim constraint would not be satisfied`,
        );
      return false;
    }
    const isShared = device.allowMultipleAllocations === true;
    const consumed = isShared ? consumedOf(request.ask.capacity, device) : undefined;
    if (consumed === undefined) this.#taking.getOrInsertComputed(id, () => new Set()).add(claim);
    else this.#changeCapacity(id, consumed, addQuantity);
    this.#chosen[claim]?.push({ ...candidate, request, consumed });
    return true;
  }

  /** The last device that was taken for the claim. */
  #giveBack(claim: number): void {
    const last = this.#chosen[claim]?.pop();
    if (last === undefined) return;
    for (const constraint of this.#constraints[claim] ?? []) constraint.remove(last.request);
    if (last.consumed === undefined) this.#taking.get(last.id)?.delete(claim);
    else this.#changeCapacity(last.id, last.consumed, subtractQuantity);
    if (this.#usesCounters(last)) this.#counters.giveBack(last.pool, last.device);
  }

  /** A device that several share uses its counters once. */
  #usesCounters({ id, device }: Candidate): boolean {
    if ((device.consumesCounters ?? []).length === 0) return false;
    if (device.allowMultipleAllocations !== true) return true;
    return !this.#supply.state.shared.has(id) && !this.#chosen.some((chosen) => chosen.some((one) => one.id === id));
  }

  #changeCapacity(id: DeviceId, consumed: ReadonlyMap<string, ParsedQuantity>, by: typeof addQuantity): void {
    const sums = this.#capacity.getOrInsertComputed(id, () => new Map<string, ParsedQuantity>());
    for (const [name, value] of consumed) sums.set(name, by(sums.get(name) ?? 0, value));
  }
}

function constraintsOf(claim: DraResourceClaim): Constraint[] {
  return (claim.spec.devices?.constraints ?? []).map((one, index) => {
    const constraint = constraintOf(one);
    if (constraint === undefined)
      throw new AllocationError(`claim ${keyOf(claim)}, constraint #${index}: empty constraint (unsupported constraint type?)`);
    return constraint;
  });
}

/** The same expressions come again and again: those of classes, and of claims from one template. */
const compiled = new Map<string, DeviceSelector>();
const maxCompiled = 100;

function compile(expression: string): DeviceSelector {
  const found = compiled.get(expression);
  if (found !== undefined) return found;
  const made = compileDeviceSelector(expression);
  const [oldest] = compiled.keys();
  if (compiled.size >= maxCompiled && oldest !== undefined) compiled.delete(oldest);
  compiled.set(expression, made);
  return made;
}

function selects(where: string, selectors: readonly Selector[] | undefined, driver: string, device: Device): boolean {
  return (selectors ?? []).every(({ cel }, index) => {
    try {
      return compile(cel?.expression ?? '').matches({ driver, ...device });
    } catch (error) {
      if (error instanceof DeviceSelectorError)
        throw new AllocationError(`${where}: selector #${index}: CEL compile error: ${error.message}`, { cause: error });
      if (error instanceof DeviceMatchError)
        throw new AllocationError(`${where}: selector #${index}: CEL runtime error: ${error.message}`, { cause: error });
      throw error;
    }
  });
}
