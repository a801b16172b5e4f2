/**
 * The ranges of which services get cluster IPs: those of the ServiceCIDRs that are ready and not being deleted. They are read from the store
 * for each service, so that a new one can be used at once, whichever server made it.
 *
 * Source: KEP-1880; upstream `pkg/registry/core/service/ipallocator/cidrallocator.go`, `pkg/api/servicecidr`.
 */

import { parseExact } from '#api/int64.ts';
import { type Cidr, ipAddress, parseCidr } from '#api/ip.ts';
import { shape } from '#api/schema/shape.ts';
import type { ServiceCIDR } from '#api/types.generated.ts';
import type { Store, StoreEntry } from '#control/store/store.ts';
import { contains, type ScarceRange, staticBandSize } from './scarce-range.ts';

const prefix = '/registry/servicecidrs/';
/** The ServiceCIDR of the flag `--service-cluster-ip-range`, which every cluster has. */
export const defaultServiceCidr = 'kubernetes';

/** A range of cluster IPs, of one ServiceCIDR. */
export interface ServiceRange {
  /** Its own address, which no service gets. */
  network: string;
  addresses: ScarceRange;
  /** Whether new services may get addresses of it. */
  isReady: boolean;
}

/**
 * The ranges of all ServiceCIDRs, read from the store at each call: another server may have added one. @throws (its methods)
 * StoreError
 */
export class ServiceRanges {
  readonly #store: Store;
  readonly #default: ServiceRange;
  /** What each stored value holds; replaced at each look, so that it holds no more than the store. */
  #known = new Map<string, { revision: number; ranges: readonly ServiceRange[] }>();

  /** @param flag the range of `--service-cluster-ip-range`: it stands in for the default ServiceCIDR until that is there */
  constructor(store: Store, flag: Cidr) {
    this.#store = store;
    this.#default = serviceRange(flag, true);
  }

  /** All IPv4 ranges. One that several ServiceCIDRs have is there several times. @throws StoreError */
  async list(): Promise<ServiceRange[]> {
    const { entries } = await this.#store.range({ prefix });
    const known = new Map(entries.map((entry) => [entry.key, this.#read(entry)]));
    this.#known = known;
    const ranges = [...known.values()].flatMap((one) => one.ranges);
    return known.has(prefix + defaultServiceCidr) ? ranges : [this.#default, ...ranges];
  }

  #read(entry: StoreEntry): { revision: number; ranges: readonly ServiceRange[] } {
    const { key, modRevision: revision, value } = entry;
    const found = this.#known.get(key);
    return found?.revision === revision ? found : { revision, ranges: rangesOf(parse(value)) };
  }
}

/** Whether the address is one that services get of some of these ranges. */
export const isWithin = (ranges: readonly ServiceRange[], value: number): boolean =>
  ranges.some(({ addresses }) => contains(addresses, value));

/** Without the network's own address and its broadcast address: upstream, too, refuses them as outside of the range. */
function serviceRange({ first, prefixLength }: Cidr, isReady: boolean): ServiceRange {
  const [network, size] = [Number(first), 2 ** (32 - prefixLength)];
  const addresses = { first: network + 1, last: network + size - 2, staticSize: staticBandSize(size, 16, 256) };
  return { network: ipAddress('IPv4', first).text, addresses, isReady };
}

/** What cannot be read gives no addresses. */
function rangesOf(object: ServiceCIDR | undefined): ServiceRange[] {
  if (object === undefined) return [];
  const { metadata, spec, status } = object;
  const condition = (status?.conditions ?? []).find(({ type }) => type === 'Ready');
  const isReady = condition?.status === 'True' && metadata.deletionTimestamp === undefined;
  return (spec?.cidrs ?? []).flatMap((text) => {
    const cidr = parseCidr(text);
    return cidr?.family === 'IPv4' ? [serviceRange(cidr, isReady)] : [];
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
