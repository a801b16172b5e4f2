/**
 * Which evaluator measures what, and what all objects of a namespace use.
 *
 * Source: upstream `pkg/quota/v1/evaluator/core/registry.go`, `pkg/quota/v1/install/registry.go`; apiserver `pkg/quota/v1/resources.go`
 * (CalculateUsage).
 */
import type { KubeObject } from '../meta.ts';
import type { ResourceList } from '../pod/requests.ts';
import type { ResourceQuota } from '../types.generated.ts';
import { claimEvaluator } from './claims.ts';
import { type Evaluator, isInScopes } from './evaluator.ts';
import { countedByOlderName, objectCountEvaluator } from './object-count.ts';
import { podEvaluator } from './pods.ts';
import { addLists, maskList } from './resource-list.ts';
import { serviceEvaluator } from './services.ts';

const special: Readonly<Record<string, Evaluator>> = {
  pods: podEvaluator,
  services: serviceEvaluator,
  persistentvolumeclaims: claimEvaluator,
};

/** What is never stored, and events, which nobody counts. */
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
export function evaluatorOf({ group, plural }: GroupResource): Evaluator | undefined {
  if (ignored.has(group === '' ? plural : `${plural}.${group}`)) return undefined;
  const found = group === '' && Object.hasOwn(special, plural) ? special[plural] : undefined;
  return found ?? objectCountEvaluator(group, plural);
}

/** The resource that a name of a quota's `hard` measures; undefined: none. */
export function measuredResource(name: string): GroupResource | undefined {
  const found = Object.keys(special).find((plural) => special[plural]?.measures(name));
  if (found !== undefined) return { group: '', plural: found };
  if (countedByOlderName.has(name)) return { group: '', plural: name };
  if (!name.startsWith('count/')) return undefined;
  const [plural = '', ...group] = name.slice('count/'.length).split('.');
  const resource = { group: group.join('.'), plural };
  return evaluatorOf(resource) === undefined ? undefined : resource;
}

/** The objects of a resource in the quota's namespace; undefined: there is no such resource. */
export type ObjectsOf = (resource: GroupResource) => readonly KubeObject[] | undefined;

/** What the objects of the quota's namespace use of what `spec.hard` limits, as far as it can be measured. @throws QuantityError */
export function usageOf(quota: Pick<ResourceQuota, 'spec'>, objectsOf: ObjectsOf, nowMs: number): ResourceList {
  const byResource = new Map<string, { resource: GroupResource; names: string[] }>();
  for (const name of Object.keys(quota.spec?.hard ?? {})) {
    const resource = measuredResource(name);
    if (resource === undefined) continue;
    const key = `${resource.plural}.${resource.group}`;
    const entry = byResource.get(key) ?? { resource, names: [] };
    entry.names.push(name);
    byResource.set(key, entry);
  }
  let used: ResourceList = {};
  for (const { resource, names } of byResource.values()) {
    const evaluator = evaluatorOf(resource);
    const objects = objectsOf(resource);
    if (evaluator === undefined || objects === undefined) continue;
    let own: ResourceList = Object.fromEntries(names.map((name) => [name, '0']));
    for (const object of objects)
      if (isInScopes(evaluator, quota, object)) own = addLists(own, maskList(evaluator.usage(object, nowMs), names));
    used = addLists(used, own);
  }
  return used;
}
