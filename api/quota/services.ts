/** Services: their number, node ports and load balancers. Source: upstream `pkg/quota/v1/evaluator/core/services.go`. */
import type { Service } from '../types.generated.ts';
import type { Evaluator } from './evaluator.ts';

const names = new Set(['count/services', 'services', 'services.nodeports', 'services.loadbalancers']);

/** Quota usage of Services: their number, node ports and load balancers. Source: upstream `pkg/quota/v1/evaluator/core/services.go`. */
export const serviceEvaluator: Evaluator = {
  measures: (name) => names.has(name),
  handles: ({ subresource }) => subresource === '',
  isInScope: () => false,
  missing: () => undefined,
  usage(object) {
    const service = object as Service;
    return {
      'count/services': '1',
      services: '1',
      'services.loadbalancers': service.spec?.type === 'LoadBalancer' ? '1' : '0',
      'services.nodeports': String(nodePorts(service)),
    };
  },
  isReplenished: (object, previous) => chargedType(object as Service) !== chargedType(previous as Service),
};

const chargedType = ({ spec }: Service): string =>
  ['NodePort', 'LoadBalancer'].includes(spec?.type ?? '') ? (spec.type ?? '') : '';

/** Ports are not allocated yet, so what is wanted counts. */
function nodePorts({ spec }: Service): number {
  const ports = spec?.ports ?? [];
  if (spec?.type === 'NodePort') return ports.length;
  if (spec?.type !== 'LoadBalancer') return 0;
  return spec.allocateLoadBalancerNodePorts === false ? ports.filter(({ nodePort = 0 }) => nodePort !== 0).length : ports.length;
}
