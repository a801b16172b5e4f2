/** Rejects nodes on which another pod has one of the pod's host ports. */
import { conflictsWith, hostPorts } from '#api/pod/host-ports.ts';
import { type FilterPlugin, rejectionOf, skip } from '../framework.ts';

const name = 'NodePorts';
const taken = rejectionOf(name, true, "node(s) didn't have free ports for the requested pod ports");

/** The filter NodePorts. */
export const nodePorts: FilterPlugin = {
  name,
  seesNodeOnly: true,
  prepare(pod) {
    const wanted = hostPorts(pod);
    if (wanted.length === 0) return skip;
    const isWanted = conflictsWith(wanted);
    return {
      kind: 'check',
      check: ({ podsWithPorts }) => (podsWithPorts.some((other) => hostPorts(other).some(isWanted)) ? taken : undefined),
    };
  },
};
