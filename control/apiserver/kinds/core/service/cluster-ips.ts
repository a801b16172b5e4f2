/** Cluster IPs, out of one IPv4 range. Source: upstream `pkg/registry/core/service/ipallocator`. */
import { invalidValue } from '#api/field-error.ts';
import { ipAddress, parseCidr, parseIp } from '#api/ip.ts';
import { internalError, invalid } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import { createScarceRange, type ScarceRange, staticBandSize } from './scarce-range.ts';
import { needsClusterIp } from './shape.ts';
import type { Undo } from './undo.ts';

export class ClusterIps {
  readonly apiServerIp: string;
  readonly #free: ScarceRange;

  /** @throws Error for a range that is no IPv4 prefix of at most 30 bits */
  constructor(cidr: string, random: () => number) {
    const network = parseCidr(cidr);
    if (network?.family !== 'IPv4' || network.prefixLength > 30) {
      throw new Error(`service CIDR "${cidr}" is not an IPv4 range with at least two addresses; give one such as 10.96.0.0/16`);
    }
    const size = 2 ** (32 - network.prefixLength);
    const base = Number(network.first);
    // The network's own address and its broadcast address are nobody's: upstream, too, refuses them as outside of the range.
    const range = { first: base + 1, last: base + size - 2 };
    this.#free = createScarceRange(range, staticBandSize(size, 16, 256), random);
    this.apiServerIp = numberToIpv4(range.first);
    // Taken from the start: nobody but the API server's own service gets it.
    this.#free.take(range.first);
  }

  /** Gives the service the address it asks for, or a free one. @throws ApiError */
  allocate(service: Service, undo: Undo): void {
    const wanted = service.spec.clusterIPs?.[0] ?? '';
    if (wanted === 'None') return;
    const ip = wanted === '' ? this.#next(service) : wanted;
    if (wanted !== '') this.#take(service, wanted);
    if (ip !== this.apiServerIp) undo.push(() => this.#free.release(ipv4ToNumber(ip)));
    service.spec.clusterIP = ip;
    service.spec.clusterIPs = [ip];
  }

  #next(service: Service): string {
    const next = this.#free.takeNext();
    if (next !== undefined) return numberToIpv4(next);
    throw internalError(`failed to allocate a serviceIP for Service ${JSON.stringify(service.metadata.name)}: range is full`);
  }

  #take(service: Service, ip: string): void {
    const { name, namespace } = service.metadata;
    if (ip === this.apiServerIp && namespace === 'default' && name === 'kubernetes') return;
    const why = this.#takeProblem(ip);
    if (why === undefined) return;
    const problem = invalidValue('spec.clusterIPs', service.spec.clusterIPs, `failed to allocate IP ${ip}: ${why}`);
    throw invalid({ group: '', name: 'Service' }, name, [problem]);
  }

  /** Takes the address, or tells why not. */
  #takeProblem(ip: string): string | undefined {
    const value = ipv4ToNumber(ip);
    if (!this.#free.contains(value)) return 'the provided network does not match the current range';
    return this.#free.take(value) ? undefined : 'provided IP is already allocated';
  }

  /** The addresses that the service keeps from others. */
  heldBy(service: Service): string[] {
    if (!needsClusterIp(service)) return [];
    return (service.spec.clusterIPs ?? []).filter((ip) => !Number.isNaN(ipv4ToNumber(ip)) && ip !== this.apiServerIp);
  }

  /** False when another service holds it. */
  hold(ip: string): boolean {
    return this.#free.take(ipv4ToNumber(ip));
  }

  release(ip: string): void {
    this.#free.release(ipv4ToNumber(ip));
  }
}

/** NaN for what is no IPv4 address. */
function ipv4ToNumber(text: string): number {
  const ip = parseIp(text);
  return ip?.family === 'IPv4' ? Number(ip.value) : Number.NaN;
}

const numberToIpv4 = (value: number): string => ipAddress('IPv4', BigInt(value)).text;
