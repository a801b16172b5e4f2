/** Hands out the scarce things of Services: cluster IPs, node ports, health-check node ports. */
import type { Service } from '#api/types.generated.ts';

export interface ServiceAllocatorOptions {
  /** The range of cluster IPs, as `--service-cluster-ip-range`: `10.96.0.0/16`. */
  serviceCidr: string;
  /** Both ends belong to it, as `--service-node-port-range`. Default: 30000-32767. */
  nodePortRange?: { first: number; last: number };
  /** A number in [0, 1); which free address or port a service gets. Default: Math.random. */
  random?: () => number;
}

export interface ServiceAllocator {
  /** The first address of the range, which the `kubernetes` service has. */
  readonly apiServerIp: string;
  /** Marks what the stored services hold as taken; at start, before writes are served. Returns what could not be marked. */
  seed(services: Iterable<Service>): string[];
  /** Fills in IPs, families and ports of a service about to be written. The returned undo gives back what this call took. @throws ApiError */
  allocate(service: Service, old: Service | undefined): () => void;
  /** Gives back what `old` held and `service` does not; after the update was written. */
  committed(service: Service, old: Service): void;
  /** Gives back all that a deleted service held. */
  release(service: Service): void;
}
