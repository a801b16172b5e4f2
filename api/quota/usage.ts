/**
 * Which evaluator measures what, and what all objects of a namespace use.
 *
 * Source: upstream `pkg/quota/v1/evaluator/core/registry.go`, `pkg/quota/v1/install/registry.go`; apiserver `pkg/quota/v1/resources.go`
 * (CalculateUsage).
 */
import type { Quantity } from '../json.ts';
import type { KubeObject } from '../meta.ts';
import { ownValue, setOwn } from '../own-value.ts';
import type { ResourceList } from '../pod/requests.ts';
import { addQuantity, formatQuantity, type ParsedQuantity, wholeQuantity } from '../quantity.ts';
import type { ResourceQuota } from '../types.generated.ts';
import { claimEvaluator } from './claims.ts';
import { countName, type Evaluator, isInScopes } from './evaluator.ts';
import { countedByOlderName, objectCountEvaluator } from './object-count.ts';
import { podEvaluator } from './pods.ts';
import { resourceClaimEvaluator } from './resource-claims.ts';
import { serviceEvaluator } from './services.ts';

const special: Readonly<Record<string, Evaluator>> = {
  pods: podEvaluator,
  services: serviceEvaluator,
  persistentvolumeclaims: claimEvaluator,
  'resourceclaims.resource.k8s.io': resourceClaimEvaluator,
};

const idOf = ({ group, plural }: GroupResource): string => (group === '' ? plural : `${plural}.${group}`);

function resourceOf(id: string): GroupResource {
  const [plural = '', ...group] = id.split('.');
  return { group: group.join('.'), plural };
}

/** Resources that quotas do not count: those that are never stored, and events. */
const ignored = new Set([
  'bindings',
  'componentstatuses',
  'tokenreviews.authentication.k8s.io',
  'selfsubjectreviews.authentication.k8s.io',
  'subjectaccessreviews.authorization.k8s.io',
  'selfsubjectaccessreviews.authorization.k8s.io',
  'localsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
  'events',
  'events.events.k8s.io',
]);

/** A resource, in whichever version. */
export interface GroupResource {
  group: string;
  plural: string;
}

/** The evaluator of a resource; undefined: no quota looks at it. */
export function evaluatorOf(resource: GroupResource): Evaluator | undefined {
  const id = idOf(resource);
  if (ignored.has(id)) return undefined;
  return ownValue(special, id) ?? counting(id, resource);
}

/** By resource, made once. Users name resources in quotas, too: so there is a limit. */
const counters = new Map<string, Evaluator>();
const maxCounters = 1_000;

function counting(id: string, { group, plural }: GroupResource): Evaluator {
  const known = counters.get(id) ?? objectCountEvaluator(group, plural);
  if (counters.size >= maxCounters) counters.clear();
  counters.set(id, known);
  return known;
}

/** The resource that a name of a quota's `hard` measures; undefined: none. */
export function measuredResource(name: string): GroupResource | undefined {
  const found = Object.keys(special).find((id) => special[id]?.measures(name));
  if (found !== undefined) return resourceOf(found);
  if (countedByOlderName.has(name)) return { group: '', plural: name };
  if (!name.startsWith('count/')) return undefined;
  const resource = resourceOf(name.slice('count/'.length));
  return evaluatorOf(resource) === undefined ? undefined : resource;
}

/** The objects of a resource in the quota's namespace; undefined: there is no such resource. */
export type ObjectsOf = (resource: GroupResource) => readonly KubeObject[] | undefined;

/** Number of objects measured in one step, which takes some milliseconds. */
const measuredAtOnce = 500;

/**
 * The usage of the resources in `spec.hard` by the objects of the quota's namespace. Resources that cannot be measured are left out.
 * @param pause between some hundred objects and the next ones @throws QuantityError
 */
export async function usageOf(
  quota: Pick<ResourceQuota, 'spec'>,
  objectsOf: ObjectsOf,
  nowMs: number,
  pause: () => Promise<void>,
): Promise<ResourceList> {
  const used: Record<string, Quantity> = {};
  for (const { resource, names } of measuredResources(quota)) {
    const evaluator = evaluatorOf(resource);
    const objects = objectsOf(resource);
    if (evaluator === undefined || objects === undefined) continue;
    const sums = new Map<string, ParsedQuantity>([...names].map((name) => [name, zero]));
    for (const [index, object] of objects.entries()) {
      if (index > 0 && index % measuredAtOnce === 0) await pause();
      if (!isInScopes(evaluator, quota, object)) continue;
      for (const [name, quantity] of Object.entries(evaluator.usage(object, nowMs))) {
        const sum = sums.get(name);
        if (sum !== undefined) sums.set(name, addQuantity(sum, quantity));
      }
    }
    for (const [name, sum] of sums) setOwn(used, name, formatQuantity(sum));
  }
  return used;
}

const zero = wholeQuantity(0, 'DecimalSI');

/** The resources that the quota measures, with the names under which it does. */
function measuredResources({ spec }: Pick<ResourceQuota, 'spec'>): Iterable<{ resource: GroupResource; names: Set<string> }> {
  const byResource = new Map<string, { resource: GroupResource; names: Set<string> }>();
  for (const name of Object.keys(spec?.hard ?? {})) {
    const resource = measuredResource(name);
    if (resource === undefined) continue;
    const key = countName(resource.group, resource.plural);
    const known = byResource.get(key);
    if (known === undefined) byResource.set(key, { resource, names: new Set([name]) });
    else known.names.add(name);
  }
  return byResource.values();
}
