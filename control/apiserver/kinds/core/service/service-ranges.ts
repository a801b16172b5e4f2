/**
 * The ranges for cluster IPs: those of ServiceCIDRs that are ready and not being deleted. They are read from the store for each service, so
 * that a new ServiceCIDR of any server can be used at once.
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
  /** The network address, which no service gets. */
  network: IpAddress;
  /** The last address that a service may have. */
  last: bigint;
  /** Offsets from the network address. Of a range with more than 2^53 addresses, dynamic allocation uses only the first 2^53. */
  offsets: ScarceRange;
  /** Whether new services may get addresses from the range. */
  isReady: boolean;
}

/**
 * The ranges of all ServiceCIDRs, read from the store at each call: another server may have added one. @throws (its methods)
 * StoreError
 */
export class ServiceRanges {
  readonly #store: Store;
  readonly #default: readonly ServiceRange[];
  /** Decoded ranges of each stored value. It is replaced at each read, so that it does not keep removed ones. */
  #known = new Map<string, { revision: number; ranges: readonly ServiceRange[] }>();

  /** @param flag the ranges of `--service-cluster-ip-range`: they replace the default ServiceCIDR until that exists */
  constructor(store: Store, flag: readonly Cidr[]) {
    this.#store = store;
    this.#default = flag.map((cidr) => serviceRange(cidr, true));
  }

  /** All ranges of both families. A range of several ServiceCIDRs occurs several times. @throws StoreError */
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

/** Whether services can get the address from one of these ranges. */
export const isWithin = (ranges: readonly ServiceRange[], ip: IpAddress | undefined): boolean =>
  ip !== undefined &&
  ranges.some(({ family, network, last }) => family === ip.family && ip.value > network.value && ip.value <= last);

/** The address at this offset from the network address. */
export const addressAt = ({ family, network }: ServiceRange, offset: number): IpAddress =>
  ipAddress(family, network.value + BigInt(offset));

/** The range without the network address and the IPv4 broadcast address, which upstream too refuses as outside of the range. */
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

/** Whether the range can be used. IPv6 ranges have at most 64 bits. */
export const isUsable = ({ family, prefixLength }: Cidr): boolean =>
  family === 'IPv4' ? prefixLength <= 30 : prefixLength >= 64 && prefixLength <= 126;

/** The ranges of a ServiceCIDR; none when it cannot be decoded. */
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
    // The watch cache reports it in the log and in /metrics.
    return undefined;
  }
}
