/** Rejects nodes on which another pod has one of the pod's host ports. */
import { hostPorts, hostPortsConflict } from '#api/pod/host-ports.ts';
import { type FilterPlugin, rejectionOf } from '../framework.ts';

const name = 'NodePorts';

/** The filter NodePorts. */
export const nodePorts: FilterPlugin = {
  name,
  prepare(pod) {
    const wanted = hostPorts(pod);
    if (wanted.length === 0) return { kind: 'skip' };
    return {
      kind: 'check',
      check: ({ pods }) =>
        pods.some((other) => hostPorts(other).some((used) => wanted.some((port) => hostPortsConflict(port, used))))
          ? rejectionOf(name, true, "node(s) didn't have free ports for the requested pod ports")
          : undefined,
    };
  },
};
