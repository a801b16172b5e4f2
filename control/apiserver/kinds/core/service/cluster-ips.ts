/**
 * Cluster IPs, out of one IPv4 range. What is taken stands in the store ({@link IpAddresses}); what this server believes to be taken only
 * saves it from asking for addresses in vain.
 *
 * Source: upstream `pkg/registry/core/service/ipallocator`.
 */
import { invalidValue } from '#api/field-error.ts';
import { ipAddress, parseCidr, parseIp } from '#api/ip.ts';
import { internalError, invalid } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import type { IpAddresses } from './ip-addresses.ts';
import { refersTo } from './ip-addresses.ts';
import { contains, isStatic, nextFree, type ScarceRange, staticBandSize } from './scarce-range.ts';
import { needsClusterIp } from './shape.ts';
import type { Undo } from './undo.ts';

/** After this many addresses that another server had taken, what this one believes is too old. */
const maxCollisions = 8;

/** The network of `10.96.0.0/16`, as numbers. @throws Error for a range that is no IPv4 prefix of at most 30 bits */
function parseServiceCidr(cidr: string): { network: number; size: number } {
  const parsed = parseCidr(cidr);
  if (parsed?.family !== 'IPv4' || parsed.prefixLength > 30) {
    throw new Error(`service CIDR "${cidr}" is not an IPv4 range with at least two addresses; give one such as 10.96.0.0/16`);
  }
  return { network: Number(parsed.first), size: 2 ** (32 - parsed.prefixLength) };
}

/** The first address of the range, which only the service `default/kubernetes` may have. @throws Error for a range that is none */
export const apiServerIpOf = (serviceCidr: string): string => numberToIpv4(parseServiceCidr(serviceCidr).network + 1);

/** The service through which pods reach the API server. */
const isApiServer = ({ metadata }: Service): boolean => metadata.namespace === 'default' && metadata.name === 'kubernetes';

export class ClusterIps {
  readonly apiServerIp: string;
  readonly #network: string;
  readonly #range: ScarceRange;
  readonly #addresses: IpAddresses;
  readonly #random: () => number;
  #believedTaken = new Set<number>();

  /** @throws Error for a range that is no IPv4 prefix of at most 30 bits */
  constructor(cidr: string, addresses: IpAddresses, random: () => number) {
    const { network, size } = parseServiceCidr(cidr);
    // The network's own address and its broadcast address are nobody's: upstream, too, refuses them as outside of the range.
    this.#range = { first: network + 1, last: network + size - 2, staticSize: staticBandSize(size, 16, 256) };
    this.#network = numberToIpv4(network);
    this.apiServerIp = numberToIpv4(this.#range.first);
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
    if (dryRun) return this.#network;
    // Nobody but the API server's own service gets the first one.
    const isTaken = (value: number): boolean => value === this.#range.first || this.#believedTaken.has(value);
    let looked = false;
    for (let collisions = 0; ; ) {
      const value = nextFree(this.#range, isTaken, this.#random);
      // What others gave back is not known here: before the last resort, and before refusing, look.
      if (!looked && (value === undefined || isStatic(this.#range, value) || collisions >= maxCollisions)) {
        await this.look();
        looked = true;
        continue;
      }
      if (value === undefined)
        throw internalError(`failed to allocate a serviceIP for Service ${JSON.stringify(service.metadata.name)}: range is full`);
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
    if (!this.isInRange(ip)) throw refuse('the provided network does not match the current range');
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

  /** Whether an address is one of those that services get. */
  isInRange(ip: string): boolean {
    return contains(this.#range, ipv4ToNumber(ip));
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

/** NaN, which lies in no range, for what is no IPv4 address. */
function ipv4ToNumber(text: string): number {
  const ip = parseIp(text);
  return ip?.family === 'IPv4' ? Number(ip.value) : Number.NaN;
}

const numberToIpv4 = (value: number): string => ipAddress('IPv4', BigInt(value)).text;
