/**
 * Hands out the scarce things of Services: cluster IPs, node ports, health-check node ports. What is taken is kept in
 * memory, rebuilt at start from the stored services; one API server process serves the writes.
 *
 * Source: upstream `pkg/registry/core/service/storage/alloc.go`, `ipallocator`, `portallocator`.
 */
import { isIPv4 } from 'node:net';
import { invalidValue } from '#api/field-error.ts';
import { internalError, invalid } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import { ipv4ToNumber, numberToIpv4 } from '../validation/ip.ts';
import { createScarceRange, type ScarceRange, staticBandSize } from './scarce-range.ts';
import { initIpFamilies } from './service-families.ts';
import { allocatesNodePorts, mayHaveNodePorts, needsClusterIp, needsHealthCheckPort, nodePortsOf } from './service-shape.ts';

export interface ServiceAllocatorOptions {
  /** The range of cluster IPs, as `--service-cluster-ip-range`: `10.96.0.0/16`. IPv4. */
  serviceCidr: string;
  /** Both ends belong to it, as `--service-node-port-range`. Default: 30000-32767. */
  nodePortRange?: { first: number; last: number };
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

type Undo = () => void;

/** @throws Error for a range that is no IPv4 prefix of at most 30 bits */
export function createServiceAllocator(options: ServiceAllocatorOptions): ServiceAllocator {
  const { first, last } = options.nodePortRange ?? { first: 30_000, last: 32_767 };
  const range = parseCidr(options.serviceCidr);
  const ips = createScarceRange(range, staticBandSize(range.size, 16, 256), options.random);
  const ports = createScarceRange({ first, last }, staticBandSize(last - first + 1, 32, 128), options.random);
  const apiServerIp = numberToIpv4(range.first);
  // Taken from the start: nobody but the API server's own service gets it.
  ips.take(range.first);

  const takeIp = (service: Service, undo: Undo[]): void => {
    const wanted = service.spec.clusterIPs?.[0] ?? '';
    if (wanted === 'None') return;
    const ip = wanted === '' ? nextIp(ips, service) : wanted;
    if (wanted !== '') takeRequestedIp(service, wanted);
    if (ip !== apiServerIp) undo.push(() => ips.release(ipv4ToNumber(ip)));
    service.spec.clusterIP = ip;
    service.spec.clusterIPs = [ip];
  };

  const takeRequestedIp = (service: Service, ip: string): void => {
    const { name, namespace } = service.metadata;
    if (ip === apiServerIp && namespace === 'default' && name === 'kubernetes') return;
    const number = isIPv4(ip) ? ipv4ToNumber(ip) : Number.NaN;
    const why = !(number >= range.network && number <= range.broadcast)
      ? 'the provided network does not match the current range'
      : !ips.contains(number)
        ? `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${options.serviceCidr}`
        : ips.take(number)
          ? undefined
          : 'provided IP is already allocated';
    if (why !== undefined)
      throw invalidService(service, 'spec.clusterIPs', service.spec.clusterIPs, `failed to allocate IP ${ip}: ${why}`);
  };

  const takePort = (service: Service, field: string, port: number, undo: Undo[]): void => {
    const outside = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
    if (!ports.contains(port)) throw invalidService(service, field, port, outside);
    if (!ports.take(port)) throw invalidService(service, field, port, 'provided port is already allocated');
    undo.push(() => ports.release(port));
  };

  const takeNextPort = (what: string, undo: Undo[]): number => {
    const port = ports.takeNext();
    if (port === undefined) throw internalError(`failed to allocate a ${what}: range is full`);
    undo.push(() => ports.release(port));
    return port;
  };

  /** Ports with the same number share a node port: DNS over TCP and UDP. */
  const takeNewNodePorts = (service: Service, undo: Undo[]): void => {
    const all = service.spec.ports ?? [];
    const byPort = new Map<number, number>();
    all.forEach((port, index) => {
      if (!port.nodePort && !allocatesNodePorts(service)) return;
      const known = byPort.get(port.port);
      if (known === undefined) {
        const wanted = all.find((other) => other.port === port.port && other.nodePort)?.nodePort;
        if (wanted !== undefined) takePort(service, `spec.ports[${index}].nodePort`, wanted, undo);
        port.nodePort = wanted ?? takeNextPort('nodePort', undo);
        byPort.set(port.port, port.nodePort);
      } else if (!port.nodePort) port.nodePort = known;
      else if (port.nodePort !== known) takePort(service, `spec.ports[${index}].nodePort`, port.nodePort, undo);
    });
  };

  const updateNodePorts = (service: Service, old: Service, undo: Undo[]): void => {
    const held = new Set(nodePortsOf(old));
    service.spec.ports?.forEach((port, index) => {
      if (port.nodePort) {
        if (held.has(port.nodePort)) return;
        takePort(service, `spec.ports[${index}].nodePort`, port.nodePort, undo);
        held.add(port.nodePort);
      } else if (allocatesNodePorts(service)) port.nodePort = takeNextPort('nodePort', undo);
    });
  };

  const takeHealthCheckPort = (service: Service, undo: Undo[]): void => {
    const { healthCheckNodePort: wanted } = service.spec;
    if (!wanted) service.spec.healthCheckNodePort = takeNextPort('HealthCheck NodePort 0', undo);
    else if (ports.contains(wanted) && ports.take(wanted)) undo.push(() => ports.release(wanted));
    else {
      const why = ports.contains(wanted)
        ? 'provided port is already allocated'
        : `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
      throw internalError(`failed to allocate requested HealthCheck NodePort ${wanted}: ${why}`);
    }
  };

  const takeAll = (service: Service, old: Service | undefined, undo: Undo[]): void => {
    initIpFamilies(service, old);
    if (needsClusterIp(service) && (old === undefined || !needsClusterIp(old))) takeIp(service, undo);
    if (mayHaveNodePorts(service)) {
      if (old === undefined) takeNewNodePorts(service, undo);
      else updateNodePorts(service, old, undo);
    }
    if (needsHealthCheckPort(service) && (old === undefined || !needsHealthCheckPort(old))) takeHealthCheckPort(service, undo);
  };

  const heldIps = (service: Service): number[] =>
    needsClusterIp(service)
      ? (service.spec.clusterIPs ?? []).filter((ip) => isIPv4(ip) && ip !== apiServerIp).map(ipv4ToNumber)
      : [];
  const heldPorts = (service: Service): number[] => [
    ...(mayHaveNodePorts(service) ? nodePortsOf(service) : []),
    ...(needsHealthCheckPort(service) && service.spec.healthCheckNodePort ? [service.spec.healthCheckNodePort] : []),
  ];
  const releaseAll = (service: Service, kept: Service | undefined): void => {
    const keptIps = kept === undefined ? [] : heldIps(kept);
    const keptPorts = kept === undefined ? [] : heldPorts(kept);
    for (const ip of heldIps(service)) if (!keptIps.includes(ip)) ips.release(ip);
    for (const port of heldPorts(service)) if (!keptPorts.includes(port)) ports.release(port);
  };

  return {
    apiServerIp,
    seed(services) {
      const conflicts: string[] = [];
      for (const service of services) {
        const name = `${service.metadata.namespace}/${service.metadata.name}`;
        for (const ip of heldIps(service))
          if (!ips.take(ip)) conflicts.push(`${name}: cluster IP ${numberToIpv4(ip)} is held by another service`);
        for (const port of new Set(heldPorts(service)))
          if (!ports.take(port)) conflicts.push(`${name}: node port ${port} is held by another service`);
      }
      return conflicts;
    },
    allocate(service, old) {
      const undo: Undo[] = [];
      const undoAll = (): void => {
        for (const one of undo.splice(0).reverse()) one();
      };
      try {
        takeAll(service, old, undo);
      } catch (error) {
        undoAll();
        throw error;
      }
      return undoAll;
    },
    committed: (service, old) => releaseAll(old, service),
    release: (service) => releaseAll(service, undefined),
  };
}

function nextIp(ips: ScarceRange, service: Service): string {
  const next = ips.takeNext();
  if (next === undefined) {
    throw internalError(`failed to allocate a serviceIP for Service ${JSON.stringify(service.metadata.name)}: range is full`);
  }
  return numberToIpv4(next);
}

function invalidService(service: Service, field: string, value: unknown, why: string): Error {
  return invalid({ group: '', name: 'Service' }, service.metadata.name, [invalidValue(field, value, why)]);
}

/** First and last are usable: the network's own address and its broadcast address are not. */
function parseCidr(cidr: string): { network: number; first: number; last: number; broadcast: number; size: number } {
  const [address = '', bits = ''] = cidr.split('/');
  if (!isIPv4(address) || !/^\d+$/.test(bits) || Number(bits) > 30) {
    throw new Error(`service CIDR "${cidr}" is not an IPv4 range with at least two addresses; give one such as 10.96.0.0/16`);
  }
  const size = 2 ** (32 - Number(bits));
  const network = Math.floor(ipv4ToNumber(address) / size) * size;
  return { network, first: network + 1, last: network + size - 2, broadcast: network + size - 1, size };
}
