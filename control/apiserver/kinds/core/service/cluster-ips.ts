/**
 * Allocates cluster IPs from the ranges of the ServiceCIDRs, one for each IP family of a service. The allocations are in the store ({@link
 * IpAddresses}); this server's own list of allocated addresses is only a hint that avoids attempts that would fail.
 *
 * Source: upstream `pkg/registry/core/service/ipallocator`.
 */
import { invalidValue } from '#api/field-error.ts';
import { type Cidr, type IpAddress, type IpFamily, ipAddress, parseCidr, parseIp } from '#api/ip.ts';
import { internalError, invalid } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import type { Store } from '#control/store/store.ts';
import type { IpAddresses } from './ip-addresses.ts';
import { refersTo } from './ip-addresses.ts';
import { isStatic, nextFree } from './scarce-range.ts';
import { addressAt, isUsable, isWithin, type ServiceRange, ServiceRanges } from './service-ranges.ts';
import { isHeadless, needsClusterIp } from './shape.ts';
import type { Undo } from './undo.ts';

/** After this many conflicts with other servers, the list of allocated addresses is read again. */
const maxCollisions = 8;

/** Parses the flag. @throws Error unless it has one range, or one per family, each of a valid size */
export function parseServiceCidrs(text: string): Cidr[] {
  const cidrs = text.split(',').map((one) => {
    const parsed = parseCidr(one);
    if (parsed === undefined || !isUsable(parsed))
      throw new Error(
        `service CIDR "${one}" is not a range with at least two addresses, and IPv6 of at least 64 bits of prefix; give one such as 10.96.0.0/16 or fd00:10:96::/108`,
      );
    return parsed;
  });
  if (cidrs.length > 2 || cidrs[0]?.family === cidrs[1]?.family)
    throw new Error(`service CIDRs "${text}": give one range, or one of each IP family`);
  return cidrs;
}

/** The first address of the first range, which only the service `default/kubernetes` may have. @throws Error for an invalid range */
export function apiServerIpOf(serviceCidr: string): string {
  const [{ family, first }] = parseServiceCidrs(serviceCidr) as [Cidr];
  return ipAddress(family, first + 1n).text;
}

/** The service through which pods reach the API server. */
const isApiServer = ({ metadata }: Service): boolean => metadata.namespace === 'default' && metadata.name === 'kubernetes';

/** Allocates cluster IPs. @throws (its methods) ApiError when an address is allocated already or none is free, StoreError */
export class ClusterIps {
  readonly apiServerIp: string;
  /** The families of the flag's ranges; the first one is the default of services that name none. */
  readonly families: readonly IpFamily[];
  readonly #ranges: ServiceRanges;
  readonly #addresses: IpAddresses;
  readonly #random: () => number;
  /** The addresses that this server believes to be allocated, by {@link keyOf}. */
  #believedTaken = new Set<bigint>();

  /** @param flag one range, or one of each family with a comma @throws Error as {@link parseServiceCidrs} */
  constructor(flag: string, store: Store, addresses: IpAddresses, random: () => number) {
    const cidrs = parseServiceCidrs(flag);
    this.apiServerIp = apiServerIpOf(flag);
    this.families = cidrs.map(({ family }) => family);
    this.#ranges = new ServiceRanges(store, cidrs);
    this.#addresses = addresses;
    this.#random = random;
  }

  /**
   * Allocates an address for each family of the service: the requested one, or a free one. The service keeps addresses that `old` has.
   * @param dryRun allocates nothing: as upstream, a requested address is only checked against the range, and instead of a free address the
   * service gets the network address of the range
   * @throws ApiError @throws StoreError
   */
  async allocate(service: Service, old: Service | undefined, undo: Undo, dryRun: boolean): Promise<void> {
    if (isHeadless(service)) return;
    const { spec } = service;
    const kept = old === undefined || !needsClusterIp(old) ? [] : (old.spec.clusterIPs ?? []);
    const ips: string[] = [];
    for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
      const wanted = spec.clusterIPs?.[index] ?? '';
      if (index < kept.length) ips.push(wanted);
      else if (wanted === '') ips.push(await this.#next(family as IpFamily, service, undo, dryRun));
      else ips.push(await this.#take(service, wanted, undo, dryRun));
    }
    spec.clusterIP = ips[0];
    spec.clusterIPs = ips;
  }

  async #ready(): Promise<ServiceRange[]> {
    return (await this.#ranges.list()).filter(({ isReady }) => isReady);
  }

  async #next(family: IpFamily, service: Service, undo: Undo, dryRun: boolean): Promise<string> {
    const ready = (await this.#ready()).filter((range) => range.family === family);
    if (dryRun && ready[0] !== undefined) return ready[0].network.text;
    // Start at a random range, so that all ranges are used evenly.
    const start = ready.length > 1 ? Math.floor(this.#random() * ready.length) : 0;
    const look = once(() => this.look());
    for (const range of [...ready.slice(start), ...ready.slice(0, start)]) {
      const ip = await this.#nextOf(range, service, undo, look);
      if (ip !== undefined) return ip;
    }
    throw internalError(`failed to allocate a serviceIP for Service ${JSON.stringify(service.metadata.name)}: range is full`);
  }

  /**
   * Allocates a free address of the range; undefined when it is full. @param look reads the allocations again; returns false when that was
   * done already
   */
  async #nextOf(range: ServiceRange, service: Service, undo: Undo, look: () => Promise<boolean>): Promise<string | undefined> {
    const base = keyOf(range.network);
    // Only the API server's own service may get this address.
    const isTaken = (offset: number): boolean =>
      this.#believedTaken.has(base + BigInt(offset)) || this.#isReserved(range, offset);
    for (let collisions = 0; ; ) {
      const offset = nextFree(range.offsets, isTaken, this.#random);
      // Other servers may have released addresses. Read the allocations again before using the static band, and before failing.
      if ((offset === undefined || isStatic(range.offsets, offset) || collisions >= maxCollisions) && (await look())) continue;
      if (offset === undefined) return undefined;
      const ip = addressAt(range, offset).text;
      if ((await this.#create(ip, service, undo)).kind === 'ok') return ip;
      collisions++;
    }
  }

  /** Whether the offset is the reserved first address of the range. */
  #isReserved(range: ServiceRange, offset: number): boolean {
    return offset <= range.offsets.staticSize + 1 && addressAt(range, offset).text === this.apiServerIp;
  }

  async #take(service: Service, ip: string, undo: Undo, dryRun: boolean): Promise<string> {
    const refuse = (why: string) =>
      invalid({ group: '', name: 'Service' }, service.metadata.name, [
        invalidValue('spec.clusterIPs', service.spec.clusterIPs, `failed to allocate IP ${ip}: ${why}`),
      ]);
    if (!isWithin(await this.#ready(), parseIp(ip))) throw refuse('the provided network does not match the current range');
    const isOwn = ip === this.apiServerIp && isApiServer(service);
    if (ip === this.apiServerIp && !isOwn) throw refuse('provided IP is already allocated');
    if (dryRun) return ip;
    const result = await this.#create(ip, service, undo);
    // Several API servers may create the `kubernetes` service at the same time, all with this address. The one that stores it first wins.
    if (result.kind === 'taken' && !(isOwn && refersTo(result.by?.object, service)))
      throw refuse('provided IP is already allocated');
    return ip;
  }

  async #create(ip: string, service: Service, undo: Undo): ReturnType<IpAddresses['create']> {
    const value = keyOfText(ip);
    // Mark it before the store answers, so that concurrent requests do not choose it.
    this.#believedTaken.add(value);
    const result = await this.#addresses.create(ip, service).catch((error: unknown) => {
      this.#believedTaken.delete(value);
      throw error;
    });
    if (result.kind === 'ok') {
      undo.push(async () => {
        if (await this.#addresses.remove({ ip, modRevision: result.revision })) this.#believedTaken.delete(value);
      });
    }
    return result;
  }

  /** The addresses that the service has allocated. */
  heldBy(service: Service): string[] {
    if (!needsClusterIp(service)) return [];
    return (service.spec.clusterIPs ?? []).filter((ip) => ip !== 'None');
  }

  /** Returns a function that tells whether an address is in a service range, including ranges that are not ready. @throws StoreError */
  async withinRanges(): Promise<(ip: string) => boolean> {
    const ranges = await this.#ranges.list();
    return (ip) => isWithin(ranges, parseIp(ip));
  }

  /**
   * Releases an address that the service had until `revision`, when it was deleted or changed. An address that was allocated after that
   * belongs to another service, even if that has the same name. @throws StoreError
   */
  async release(ip: string, service: Service, revision: number): Promise<void> {
    const taken = await this.#addresses.get(ip);
    if (taken === undefined || taken.createRevision > revision || !refersTo(taken.object, service)) return;
    if (await this.#addresses.remove(taken)) this.#believedTaken.delete(keyOfText(ip));
  }

  /** Reads the allocations. @throws StoreError */
  async look(): Promise<void> {
    const all = await this.#addresses.list();
    this.#believedTaken = new Set(all.map(({ ip }) => keyOfText(ip)));
  }
}

/** Wraps `work` so that only the first call runs it. @returns a function that resolves to false from its second call on */
function once(work: () => Promise<void>): () => Promise<boolean> {
  let isDone = false;
  return async () => {
    if (isDone) return false;
    isDone = true;
    await work();
    return true;
  };
}

/** A unique number for each address of both families. Addresses of one range have consecutive numbers. */
const keyOf = ({ family, value }: IpAddress): bigint => (family === 'IPv4' ? value : value + 2n ** 128n);

/** The number of an address; -1, which no address has, for invalid text. */
function keyOfText(text: string): bigint {
  const ip = parseIp(text);
  return ip === undefined ? -1n : keyOf(ip);
}
