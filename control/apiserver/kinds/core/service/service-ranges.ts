/**
 * The ranges of which services get cluster IPs: those of the ServiceCIDRs that are ready and not being deleted. They are read from the store
 * for each service, so that a new one can be used at once, whichever server made it.
 *
 * Source: KEP-1880; upstream `pkg/registry/core/service/ipallocator/cidrallocator.go`, `pkg/api/servicecidr`.
 */

import { parseExact } from '#api/int64.ts';
import { addressBits, type Cidr, type IpAddress, type IpFamily, ipAddress, parseCidr } from '#api/ip.ts';
import { shape } from '#api/schema/shape.ts';
import type { ServiceCIDR } from '#api/types.generated.ts';
import type { Store, StoreEntry } from '#control/store/store.ts';
import { type ScarceRange, staticBandSize } from './scarce-range.ts';

const prefix = '/registry/servicecidrs/';
/** The ServiceCIDR of the flag `--service-cluster-ip-range`, which every cluster has. */
export const defaultServiceCidr = 'kubernetes';

/** A range of cluster IPs, of one ServiceCIDR. */
export interface ServiceRange {
  family: IpFamily;
  /** Its own address, which no service gets. */
  network: IpAddress;
  /** The last address that a service may have. */
  last: bigint;
  /** Distances from the network's own address. Of a range beyond 2^53 addresses only those below are given out unasked. */
  offsets: ScarceRange;
  /** Whether new services may get addresses of it. */
  isReady: boolean;
}

/**
 * The ranges of all ServiceCIDRs, read from the store at each call: another server may have added one. @throws (its methods)
 * StoreError
 */
export class ServiceRanges {
  readonly #store: Store;
  readonly #default: readonly ServiceRange[];
  /** What each stored value holds; replaced at each look, so that it holds no more than the store. */
  #known = new Map<string, { revision: number; ranges: readonly ServiceRange[] }>();

  /** @param flag the ranges of `--service-cluster-ip-range`: they stand in for the default ServiceCIDR until that is there */
  constructor(store: Store, flag: readonly Cidr[]) {
    this.#store = store;
    this.#default = flag.map((cidr) => serviceRange(cidr, true));
  }

  /** All ranges, of both families. One that several ServiceCIDRs have is there several times. @throws StoreError */
  async list(): Promise<ServiceRange[]> {
    const { entries } = await this.#store.range({ prefix });
    const known = new Map(entries.map((entry) => [entry.key, this.#read(entry)]));
    this.#known = known;
    const ranges = [...known.values()].flatMap((one) => one.ranges);
    return known.has(prefix + defaultServiceCidr) ? ranges : [...this.#default, ...ranges];
  }

  #read(entry: StoreEntry): { revision: number; ranges: readonly ServiceRange[] } {
    const { key, modRevision: revision, value } = entry;
    const found = this.#known.get(key);
    return found?.revision === revision ? found : { revision, ranges: rangesOf(parse(value)) };
  }
}

/** Whether the address is one that services get of some of these ranges. */
export const isWithin = (ranges: readonly ServiceRange[], ip: IpAddress | undefined): boolean =>
  ip !== undefined &&
  ranges.some(({ family, network, last }) => family === ip.family && ip.value > network.value && ip.value <= last);

/** The address so far from the network's own one. */
export const addressAt = ({ family, network }: ServiceRange, offset: number): IpAddress =>
  ipAddress(family, network.value + BigInt(offset));

/** Without the network's own address, and without the broadcast address of IPv4: upstream, too, refuses them as outside of the range. */
function serviceRange({ family, first, prefixLength }: Cidr, isReady: boolean): ServiceRange {
  const size = 2n ** BigInt(addressBits[family] - prefixLength);
  const lastOffset = family === 'IPv4' ? size - 2n : size - 1n;
  const offsets = {
    first: 1,
    last: Math.min(Number(lastOffset), Number.MAX_SAFE_INTEGER),
    staticSize: staticBandSize(Number(size), 16, 256),
  };
  return { family, network: ipAddress(family, first), last: first + lastOffset, offsets, isReady };
}

/** Ranges of IPv6 have at most 64 bits. */
export const isUsable = ({ family, prefixLength }: Cidr): boolean =>
  family === 'IPv4' ? prefixLength <= 30 : prefixLength >= 64 && prefixLength <= 126;

/** What cannot be read gives no addresses. */
function rangesOf(object: ServiceCIDR | undefined): ServiceRange[] {
  if (object === undefined) return [];
  const { metadata, spec, status } = object;
  const condition = (status?.conditions ?? []).find(({ type }) => type === 'Ready');
  const isReady = condition?.status === 'True' && metadata.deletionTimestamp === undefined;
  return (spec?.cidrs ?? []).flatMap((text) => {
    const cidr = parseCidr(text);
    return cidr === undefined || !isUsable(cidr) ? [] : [serviceRange(cidr, isReady)];
  });
}

function parse(value: Uint8Array): ServiceCIDR | undefined {
  try {
    const object = parseExact(Buffer.from(value).toString('utf8')) as ServiceCIDR;
    shape('networking/v1.ServiceCIDR', object);
    return typeof object.metadata === 'object' ? object : undefined;
  } catch {
    // The watch cache says so in the log and under /metrics.
    return undefined;
  }
}
