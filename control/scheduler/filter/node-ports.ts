/** Rejects nodes on which another pod has one of the pod's host ports. */
import { conflictsWith, hostPorts } from '#api/pod/host-ports.ts';
import { type FilterPlugin, rejectionOf } from '../framework.ts';

const name = 'NodePorts';

/** The filter NodePorts. */
export const nodePorts: FilterPlugin = {
  name,
  prepare(pod) {
    const wanted = hostPorts(pod);
    if (wanted.length === 0) return { kind: 'skip' };
    const isWanted = conflictsWith(wanted);
    return {
      kind: 'check',
      check: ({ pods }) =>
        pods.some((other) => hostPorts(other).some(isWanted))
          ? rejectionOf(name, true, "node(s) didn't have free ports for the requested pod ports")
          : undefined,
    };
  },
};
