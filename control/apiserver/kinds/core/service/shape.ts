/** Questions about a Service's spec that defaults, checks and allocators ask alike. Source: upstream `pkg/api/service/util.go`. */
import type { Service } from '#api/types.generated.ts';

export const needsClusterIp = ({ spec }: Service): boolean => spec.type !== 'ExternalName';

export const isHeadless = ({ spec }: Service): boolean => spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';

/** Whether every port gets a node port, asked for or not. */
export function allocatesNodePorts({ spec }: Service): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

/** Whether ports may have node ports at all. */
export const mayHaveNodePorts = ({ spec }: Service): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer';

export const needsHealthCheckPort = ({ spec }: Service): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

export function isExternallyAccessible({ spec }: Service): boolean {
  return (
    spec.type === 'NodePort' || spec.type === 'LoadBalancer' || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
  );
}

export const nodePortsOf = ({ spec }: Service): number[] => (spec.ports ?? []).flatMap(({ nodePort }) => nodePort || []);

export const sameList = (a: readonly string[] = [], b: readonly string[] = []): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index]);
