/** Predicates on a Service's spec, shared by defaults, validation and allocators. Source: upstream `pkg/api/service/util.go`. */
import type { Service } from '#api/types.generated.ts';

/** Whether a service of its type has a cluster IP (a headless one has `None`). */
export const needsClusterIp = ({ spec }: Service): boolean => spec.type !== 'ExternalName';

/** Whether the service is headless: it has no virtual IP, and DNS answers with the pods' addresses. */
export const isHeadless = ({ spec }: Service): boolean => spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';

/** Whether every port gets a node port, requested or not. */
export function allocatesNodePorts({ spec }: Service): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

/** Whether ports may have node ports at all. */
export const mayHaveNodePorts = ({ spec }: Service): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer';

/** Whether load balancers ask each node on a port of its own whether it has local endpoints. */
export const needsHealthCheckPort = ({ spec }: Service): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** Whether traffic from outside can reach it, so that `externalTrafficPolicy` means something. */
export function isExternallyAccessible({ spec }: Service): boolean {
  return (
    spec.type === 'NodePort' || spec.type === 'LoadBalancer' || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
  );
}

/** The node ports in its spec, those that are set. */
export const nodePortsOf = ({ spec }: Service): number[] => (spec.ports ?? []).flatMap(({ nodePort }) => nodePort || []);

/** Whether both lists hold the same items in the same order; an absent one is empty. */
export const sameList = (a: readonly string[] = [], b: readonly string[] = []): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index]);
