/**
 * Hands out the scarce things of Services: cluster IPs, node ports, health-check node ports. What is taken is kept in
 * memory, rebuilt at start from the stored services; one API server process serves the writes.
 *
 * Source: upstream `pkg/registry/core/service/storage/alloc.go`.
 */
import type { Service } from '#api/types.generated.ts';
import { unreadable } from '#client/left-out.ts';
import { ClusterIps } from './cluster-ips.ts';
import { initIpFamilies } from './families.ts';
import { NodePorts, type PortRange } from './node-ports.ts';
import { needsClusterIp } from './shape.ts';
import { runUndo, type Undo } from './undo.ts';

export interface ServiceAllocatorOptions {
  /** The range of cluster IPs, as `--service-cluster-ip-range`: `10.96.0.0/16`. IPv4. */
  serviceCidr: string;
  /** As `--service-node-port-range`. Default: 30000-32767. */
  nodePortRange?: PortRange;
  /** A number in [0, 1): which free address or port a service gets. */
  random: () => number;
}

export interface ServiceAllocator {
  /** The first address of the range, which only the service `default/kubernetes` may have. */
  readonly apiServerIp: string;
  /** Marks what the stored services hold as taken; at start, before writes are served. Returns a line for each conflict. */
  seed(services: Iterable<Service>): string[];
  /** Fills in families, IPs and ports of a service about to be written; the returned undo gives back what this call took. @throws ApiError */
  allocate(service: Service, old: Service | undefined): () => void;
  /** Gives back what `old` held and `service` does not; after the update was written. */
  committed(service: Service, old: Service): void;
  /** Gives back all that a deleted service held. */
  release(service: Service): void;
}

const defaultPorts: PortRange = { first: 30_000, last: 32_767 };

/** @throws Error for a range that is no IPv4 prefix of at most 30 bits */
export function createServiceAllocator({
  serviceCidr,
  nodePortRange = defaultPorts,
  random,
}: ServiceAllocatorOptions): ServiceAllocator {
  const ips = new ClusterIps(serviceCidr, random);
  const ports = new NodePorts(nodePortRange, random);

  const releaseAll = (service: Service, kept: Service | undefined): void => {
    const keptIps = kept === undefined ? [] : ips.heldBy(kept);
    const keptPorts = kept === undefined ? [] : ports.heldBy(kept);
    for (const ip of ips.heldBy(service)) if (!keptIps.includes(ip)) ips.release(ip);
    for (const port of ports.heldBy(service)) if (!keptPorts.includes(port)) ports.release(port);
  };

  return {
    apiServerIp: ips.apiServerIp,
    seed: (services) =>
      [...services].flatMap((service) => {
        try {
          return holdAll(service, ips, ports);
        } catch (error) {
          // What an unreadable service holds is not known; that must not keep the server from starting.
          return [`${service.metadata.namespace}/${service.metadata.name}: ${unreadable(error)}`];
        }
      }),
    allocate(service, old) {
      const undo: Undo = [];
      try {
        initIpFamilies(service, old);
        if (needsClusterIp(service) && (old === undefined || !needsClusterIp(old))) ips.allocate(service, undo);
        ports.allocate(service, old, undo);
      } catch (error) {
        runUndo(undo);
        throw error;
      }
      return () => runUndo(undo);
    },
    committed: (service, old) => releaseAll(old, service),
    release: (service) => releaseAll(service, undefined),
  };
}

function holdAll(service: Service, ips: ClusterIps, ports: NodePorts): string[] {
  const name = `${service.metadata.namespace}/${service.metadata.name}`;
  const conflict = (what: string): string => `${name}: ${what} is held by another service`;
  return [
    ...ips.heldBy(service).flatMap((ip) => (ips.hold(ip) ? [] : conflict(`cluster IP ${ip}`))),
    ...ports.heldBy(service).flatMap((port) => (ports.hold(port) ? [] : conflict(`node port ${port}`))),
  ];
}
