/** Ports that pods open on their nodes. Pure. Source: upstream `pkg/scheduler/framework/types.go` (HostPortInfo). */
import type { Pod } from '../types.generated.ts';
import { isSidecar } from './containers.ts';

export interface HostPort {
  /** `0.0.0.0`: all addresses of the node. */
  ip: string;
  protocol: string;
  port: number;
}

const anyAddress = '0.0.0.0';

/** Those of containers and of sidecars: init containers that end have given theirs back. */
export function hostPorts({ spec }: Pick<Pod, 'spec'>): HostPort[] {
  return [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)].flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort = 0 }) => hostPort > 0)
      .map(({ hostPort = 0, protocol, hostIP }) => ({ ip: hostIP || anyAddress, protocol: protocol || 'TCP', port: hostPort })),
  );
}

/** Whether both cannot be opened on one node. */
export const hostPortsConflict = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === anyAddress || b.ip === anyAddress);
