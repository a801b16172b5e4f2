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

/** Whether two pods with these host ports cannot run on the same node. */
export const hostPortsConflict = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === anyAddress || b.ip === anyAddress);
