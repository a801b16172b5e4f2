/** The built-in kinds that the API server serves: every row of `api/resources.ts` with its strategy. */
import type { KubeObject } from '#api/meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import type { Conversion, ServedKind } from '../catalog.ts';
import type { Strategy } from '../registry/strategy.ts';
import { customResourceDefinitionStrategy } from './apiextensions/customresourcedefinition/strategy.ts';
import { deploymentStrategy } from './apps/deployment/strategy.ts';
import { replicaSetStrategy } from './apps/replicaset/strategy.ts';
import { leaseStrategy } from './coordination/lease/strategy.ts';
import { configMapStrategy } from './core/configmap/strategy.ts';
import { endpointsStrategy } from './core/endpoints/strategy.ts';
import { eventsConversion } from './core/event/conversion.ts';
import { eventStrategy, eventsEventStrategy } from './core/event/strategy.ts';
import { namespaceStrategy } from './core/namespace/strategy.ts';
import { nodeStrategy } from './core/node/strategy.ts';
import { podStrategy } from './core/pod/strategy.ts';
import { secretStrategy } from './core/secret/strategy.ts';
import { serviceStrategy } from './core/service/strategy.ts';
import { serviceAccountStrategy } from './core/serviceaccount/strategy.ts';
import type { StrategyDeps } from './deps.ts';
import { endpointSliceStrategy } from './discovery/endpointslice/strategy.ts';

export type { StrategyDeps } from './deps.ts';

type TypedStrategies = { [Id in ResourceId]: Strategy<ResourceTypes[Id]> };

/**
 * The strategy of each resource. Every one has `validate`, and `validateUpdate` that already includes the checks of
 * metadata; the caller adds nothing. `deps.services` is repaired before writes are served.
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
    pods: podStrategy,
    'replicasets.apps': replicaSetStrategy,
    secrets: secretStrategy,
    serviceaccounts: serviceAccountStrategy,
    services: serviceStrategy(deps),
  };
  // Each strategy is only ever called with objects of its own resource: the registry looks it up by the resource's id.
  return typed as unknown as Record<ResourceId, Strategy<KubeObject>>;
}

/** Of the rows that are stored in the form of another one. */
const conversions: Partial<Record<ResourceId, Conversion>> = { 'events.events.k8s.io': eventsConversion };

/** What a `KindCatalog` begins with. */
export function builtInKinds(deps: StrategyDeps): ServedKind[] {
  const byId = strategies(deps);
  const rows = createResourceCatalog();
  return (Object.keys(byId) as ResourceId[]).map((id) => {
    const conversion = conversions[id];
    return { resource: rows.builtIn(id), strategy: byId[id], ...(conversion === undefined ? {} : { conversion }) };
  });
}
