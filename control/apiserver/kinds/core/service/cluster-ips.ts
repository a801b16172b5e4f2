/**
 * Cluster IPs, out of the IPv4 ranges of the ServiceCIDRs. What is taken stands in the store ({@link IpAddresses}); what this server believes to be taken only
 * saves it from asking for addresses in vain.
 *
 * Source: upstream `pkg/registry/core/service/ipallocator`.
 */
import { invalidValue } from '#api/field-error.ts';
import { type Cidr, ipAddress, parseCidr, parseIp } from '#api/ip.ts';
import { internalError, invalid } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import type { Store } from '#control/store/store.ts';
import type { IpAddresses } from './ip-addresses.ts';
import { refersTo } from './ip-addresses.ts';
import { isStatic, nextFree, type ScarceRange } from './scarce-range.ts';
import { isWithin, ServiceRanges } from './service-ranges.ts';
import { needsClusterIp } from './shape.ts';
import type { Undo } from './undo.ts';

/** After this many addresses that another server had taken, what this one believes is too old. */
const maxCollisions = 8;

/** @throws Error for a range that is no IPv4 prefix of at most 30 bits */
function parseServiceCidr(cidr: string): Cidr {
  const parsed = parseCidr(cidr);
  if (parsed?.family !== 'IPv4' || parsed.prefixLength > 30) {
    throw new Error(`service CIDR "${cidr}" is not an IPv4 range with at least two addresses; give one such as 10.96.0.0/16`);
  }
  return parsed;
}

/** The first address of the range, which only the service `default/kubernetes` may have. @throws Error for a range that is none */
export const apiServerIpOf = (serviceCidr: string): string => numberToIpv4(Number(parseServiceCidr(serviceCidr).first) + 1);

/** The service through which pods reach the API server. */
const isApiServer = ({ metadata }: Service): boolean => metadata.namespace === 'default' && metadata.name === 'kubernetes';

/**
 * Chooses free cluster IPs and takes them. @throws (its methods) ApiError when an address is taken or none is free, StoreError
 */
export class ClusterIps {
  readonly apiServerIp: string;
  readonly #ranges: ServiceRanges;
  readonly #addresses: IpAddresses;
  readonly #random: () => number;
  #believedTaken = new Set<number>();

  /** @param cidr of the flag @throws Error for a range that is no IPv4 prefix of at most 30 bits */
  constructor(cidr: string, store: Store, addresses: IpAddresses, random: () => number) {
    this.apiServerIp = apiServerIpOf(cidr);
    this.#ranges = new ServiceRanges(store, parseServiceCidr(cidr));
    this.#addresses = addresses;
    this.#random = random;
  }

  /**
   * Gives the service the address it asks for, or a free one.
   * @param dryRun takes nothing: as upstream, an address asked for is only checked against the range, and instead of a free one the
   *   service gets the range's own address
   * @throws ApiError @throws StoreError
   */
  async allocate(service: Service, undo: Undo, dryRun: boolean): Promise<void> {
    const wanted = service.spec.clusterIPs?.[0] ?? '';
    if (wanted === 'None') return;
    const ip = wanted === '' ? await this.#next(service, undo, dryRun) : await this.#take(service, wanted, undo, dryRun);
    service.spec.clusterIP = ip;
    service.spec.clusterIPs = [ip];
  }

  async #next(service: Service, undo: Undo, dryRun: boolean): Promise<string> {
    const ready = (await this.#ranges.list()).filter(({ isReady }) => isReady);
    if (dryRun && ready[0] !== undefined) return ready[0].network;
    // Beginning anywhere, so that ranges fill up alike.
    const start = ready.length > 1 ? Math.floor(this.#random() * ready.length) : 0;
    const look = once(() => this.look());
    for (const { addresses } of [...ready.slice(start), ...ready.slice(0, start)]) {
      const ip = await this.#nextOf(addresses, service, undo, look);
      if (ip !== undefined) return ip;
    }
    throw internalError(`failed to allocate a serviceIP for Service ${JSON.stringify(service.metadata.name)}: range is full`);
  }

  /** Undefined: the range is full. @param look learns what is taken; false: it has been done already */
  async #nextOf(range: ScarceRange, service: Service, undo: Undo, look: () => Promise<boolean>): Promise<string | undefined> {
    const reserved = ipv4ToNumber(this.apiServerIp);
    // Nobody but the API server's own service gets its address.
    const isTaken = (value: number): boolean => value === reserved || this.#believedTaken.has(value);
    for (let collisions = 0; ; ) {
      const value = nextFree(range, isTaken, this.#random);
      // What others gave back is not known here: before the last resort, and before refusing, look.
      if ((value === undefined || isStatic(range, value) || collisions >= maxCollisions) && (await look())) continue;
      if (value === undefined) return undefined;
      const ip = numberToIpv4(value);
      if ((await this.#create(ip, service, undo)).kind === 'ok') return ip;
      collisions++;
    }
  }

  async #take(service: Service, ip: string, undo: Undo, dryRun: boolean): Promise<string> {
    const refuse = (why: string) =>
      invalid({ group: '', name: 'Service' }, service.metadata.name, [
        invalidValue('spec.clusterIPs', service.spec.clusterIPs, `failed to allocate IP ${ip}: ${why}`),
      ]);
    const ready = (await this.#ranges.list()).filter(({ isReady }) => isReady);
    if (!isWithin(ready, ipv4ToNumber(ip))) throw refuse('the provided network does not match the current range');
    const isOwn = ip === this.apiServerIp && isApiServer(service);
    if (ip === this.apiServerIp && !isOwn) throw refuse('provided IP is already allocated');
    if (dryRun) return ip;
    const result = await this.#create(ip, service, undo);
    // Several API servers make this service at the same time, and only it has this address: whose service is stored first, wins.
    if (result.kind === 'taken' && !(isOwn && refersTo(result.by?.object, service)))
      throw refuse('provided IP is already allocated');
    return ip;
  }

  async #create(ip: string, service: Service, undo: Undo): ReturnType<IpAddresses['create']> {
    const value = ipv4ToNumber(ip);
    // At once, so that other requests do not choose it while the store is asked.
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

  /** The addresses that the service keeps from others. */
  heldBy(service: Service): string[] {
    if (!needsClusterIp(service)) return [];
    return (service.spec.clusterIPs ?? []).filter((ip) => ip !== 'None');
  }

  /** Tells of an address whether it is one of those that services get, of ranges that are not ready, too. @throws StoreError */
  async withinRanges(): Promise<(ip: string) => boolean> {
    const ranges = await this.#ranges.list();
    return (ip) => isWithin(ranges, ipv4ToNumber(ip));
  }

  /**
   * Gives an address back that the service held until `revision`, when it was deleted or changed. An address that has been taken since then is
   * another's, even where that bears the same name. @throws StoreError
   */
  async release(ip: string, service: Service, revision: number): Promise<void> {
    const taken = await this.#addresses.get(ip);
    if (taken === undefined || taken.createRevision > revision || !refersTo(taken.object, service)) return;
    if (await this.#addresses.remove(taken)) this.#believedTaken.delete(ipv4ToNumber(ip));
  }

  /** Learns what is taken. @throws StoreError */
  async look(): Promise<void> {
    const all = await this.#addresses.list();
    this.#believedTaken = new Set(all.map(({ ip }) => ipv4ToNumber(ip)));
  }
}

/** Does the work at the first call. @returns false from the second one on */
function once(work: () => Promise<void>): () => Promise<boolean> {
  let isDone = false;
  return async () => {
    if (isDone) return false;
    isDone = true;
    await work();
    return true;
  };
}

/** NaN, which lies in no range, for what is no IPv4 address. */
function ipv4ToNumber(text: string): number {
  const ip = parseIp(text);
  return ip?.family === 'IPv4' ? Number(ip.value) : Number.NaN;
}

const numberToIpv4 = (value: number): string => ipAddress('IPv4', BigInt(value)).text;
