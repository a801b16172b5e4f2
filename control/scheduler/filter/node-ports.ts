/** Two pods cannot open one port of one node. */
import type { ContainerPort, Pod } from '#api/types.generated.ts';
import { type FilterPlugin, rejectionOf } from '../framework.ts';
import { hostPorts } from '../node-info.ts';

const name = 'NodePorts';
const anyAddress = '0.0.0.0';

export const nodePorts: FilterPlugin = {
  name,
  prepare(pod) {
    const wanted = hostPorts(pod);
    if (wanted.length === 0) return { kind: 'skip' };
    return {
      kind: 'check',
      check: ({ pods }) =>
        pods.some((other) => portsConflict(wanted, other))
          ? rejectionOf(name, true, "node(s) didn't have free ports for the requested pod ports")
          : undefined,
    };
  },
};

function portsConflict(wanted: readonly ContainerPort[], other: Pod): boolean {
  return hostPorts(other).some((used) => wanted.some((port) => conflict(port, used)));
}

function conflict(a: ContainerPort, b: ContainerPort): boolean {
  if (a.hostPort !== b.hostPort || (a.protocol ?? 'TCP') !== (b.protocol ?? 'TCP')) return false;
  const [aAddress, bAddress] = [a.hostIP || anyAddress, b.hostIP || anyAddress];
  return aAddress === bAddress || aAddress === anyAddress || bAddress === anyAddress;
}
