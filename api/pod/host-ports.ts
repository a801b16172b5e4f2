/** The ports of their nodes that pods use. Pure. Source: upstream `pkg/scheduler/framework/types.go` (HostPortInfo). */
import type { Pod } from '../types.generated.ts';
import { isSidecar } from './containers.ts';

/** A port of the node that a container uses. */
export interface HostPort {
  /** The address of the node; `0.0.0.0` means all addresses. */
  ip: string;
  protocol: string;
  port: number;
}

const anyAddress = '0.0.0.0';

/**
 * The host ports of the pod's containers and sidecars. Ports of other init containers do not count: they are free again when the
 * containers start.
 */
export function hostPorts({ spec }: Pick<Pod, 'spec'>): HostPort[] {
  return [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)].flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort = 0 }) => hostPort > 0)
      .map(({ hostPort = 0, protocol, hostIP }) => ({ ip: hostIP || anyAddress, protocol: protocol || 'TCP', port: hostPort })),
  );
}

/** Tells of a host port whether it conflicts with one of `ports`: two pods that have them cannot run on the same node. */
export function conflictsWith(ports: readonly HostPort[]): (port: HostPort) => boolean {
  const key = ({ protocol, port }: HostPort): string => `${protocol}/${port}`;
  // A pod may have tens of thousands of ports: comparing each of one pod with each of another would take seconds.
  const addresses = new Map<string, Set<string>>();
  for (const port of ports) addresses.getOrInsertComputed(key(port), () => new Set()).add(port.ip);
  return (port) => {
    const used = addresses.get(key(port));
    return used !== undefined && (port.ip === anyAddress || used.has(port.ip) || used.has(anyAddress));
  };
}
