/** The strategies of every kind that the API server serves. */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import type { Strategy } from '../strategy.ts';
import { configMapStrategy } from './configmap.ts';
import { customResourceDefinitionStrategy } from './custom-resource-definition.ts';
import { deploymentStrategy } from './deployment.ts';
import type { StrategyDeps } from './deps.ts';
import { endpointsStrategy } from './endpoints.ts';
import { endpointSliceStrategy } from './endpointslice.ts';
import { eventStrategy, eventsEventStrategy } from './event.ts';
import { leaseStrategy } from './lease.ts';
import { namespaceStrategy } from './namespace.ts';
import { nodeStrategy } from './node.ts';
import { podStrategy } from './pod.ts';
import { replicaSetStrategy } from './replicaset.ts';
import { secretStrategy } from './secret.ts';
import { serviceStrategy } from './service.ts';
import { serviceAccountStrategy } from './serviceaccount.ts';

export type { StrategyDeps } from './deps.ts';

type TypedStrategies = { [Id in ResourceId]: Strategy<ResourceTypes[Id]> };

/**
 * The strategy of each resource. Every one has `validate`, and `validateUpdate` that already includes the checks of
 * metadata; the caller adds nothing. Before serving writes, seed `deps.services` with the stored Services.
 */
export function strategies(deps: StrategyDeps): Record<ResourceId, Strategy> {
  const typed: TypedStrategies = {
    configmaps: configMapStrategy,
    'customresourcedefinitions.apiextensions.k8s.io': customResourceDefinitionStrategy,
    'deployments.apps': deploymentStrategy,
    endpoints: endpointsStrategy,
    'endpointslices.discovery.k8s.io': endpointSliceStrategy,
    events: eventStrategy,
    'events.events.k8s.io': eventsEventStrategy,
    'leases.coordination.k8s.io': leaseStrategy,
    namespaces: namespaceStrategy,
    nodes: nodeStrategy,
    pods: podStrategy(deps),
    'replicasets.apps': replicaSetStrategy,
    secrets: secretStrategy,
    serviceaccounts: serviceAccountStrategy,
    services: serviceStrategy(deps),
  };
  // Each strategy is only ever called with objects of its own resource: the registry looks it up by the resource's id.
  return typed as unknown as Record<ResourceId, Strategy<KubeObject>>;
}
