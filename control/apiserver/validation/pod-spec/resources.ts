/** Requests and limits. Source: upstream `pkg/apis/core/validation/validation.go`, `pkg/apis/core/helper/helpers.go`. */

import type { FieldError } from '#api/field-error.ts';
import { duplicate, fieldNotFound, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { Quantity } from '#api/json.ts';
import { isDns1123Label, isQualifiedName } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import { aggregateContainers, isPodLevelResource } from '#api/pod/requests.ts';
import { canonicalQuantity, compareQuantity, isWhole, toNumber } from '#api/quantity.ts';
import type { ContainerResizePolicy, PodSpec, ResourceClaim, ResourceRequirements } from '#api/types.generated.ts';
import { isHugePages, isNativeResource, isOvercommitAllowed } from '../../kinds/core/pod/resources.ts';

const containerResources = ['cpu', 'memory', 'ephemeral-storage'];
const countedResources = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
];
const serviceResources = ['services.nodeports', 'services.loadbalancers'];
const standardResources = new Set([
  ...containerResources,
  ...containerResources.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  ...countedResources,
  ...serviceResources,
  'storage',
  'requests.storage',
]);
const integerResources = new Set([...countedResources, ...serviceResources]);

/** Whether it is one of the names without a domain that the API knows, of containers, volumes or quotas. */
export const isStandardResource = (name: string): boolean =>
  standardResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');

/** Checks the name of a resource. */
export type NameRule = (name: string, path: string) => FieldError[];

/** A qualified name; without a domain it is one of the names that the API knows. */
export function validateResourceName(name: string, path: string): FieldError[] {
  const errors = isQualifiedName(name).map((text) => invalidValue(path, name, text));
  if (errors.length > 0 || name.includes('/')) return errors;
  return isStandardResource(name) ? [] : [invalidValue(path, name, 'must be a standard resource type or fully qualified')];
}

/** What a container may ask for. */
export const containerResourceName: NameRule = (name, path) => {
  const errors = validateResourceName(name, path);
  if (!name.includes('/')) {
    if (!containerResources.includes(name) && !isHugePages(name)) {
      errors.push(invalidValue(path, name, 'must be a standard resource for containers'));
    }
  } else if (!isNativeResource(name) && !isExtendedResource(name)) {
    errors.push(invalidValue(path, name, "doesn't follow extended resource name standard"));
  }
  return errors;
};

const podResourceName: NameRule = (name, path) => {
  const errors = validateResourceName(name, path);
  if (errors.length > 0 || isPodLevelResource(name)) return errors;
  return [notSupported(path, name, ['cpu', 'hugepages-', 'memory'])];
};

/** `example.com/gpu`: of somebody's own domain. */
export function isExtendedResource(name: string): boolean {
  return !isNativeResource(name) && !name.startsWith('requests.') && isQualifiedName(`requests.${name}`).length === 0;
}

/** Not negative, and whole where the resource is counted. */
export function validateResourceQuantity(name: string, quantity: Quantity, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const shown = canonicalQuantity(quantity);
  if (compareQuantity(quantity, 0) < 0) errors.push(invalidValue(path, shown, 'must be greater than or equal to 0'));
  if ((integerResources.has(name) || isExtendedResource(name)) && !isWhole(quantity)) {
    errors.push(invalidValue(path, shown, 'must be an integer'));
  }
  return errors;
}

/** A container's requests and limits; `claims` are the names of the pod's resource claims. */
export function validateContainerResources(
  resources: ResourceRequirements | undefined,
  claims: ReadonlySet<string>,
  path: string,
): FieldError[] {
  return resources === undefined ? [] : validateRequirements(resources, containerResourceName, claims, path);
}

function validateRequirements(
  resources: ResourceRequirements,
  nameRule: NameRule,
  claims: ReadonlySet<string>,
  path: string,
): FieldError[] {
  const { limits = {}, requests = {} } = resources;
  const errors: FieldError[] = [];
  for (const [name, quantity] of Object.entries(limits))
    errors.push(...validateEntry(name, quantity, nameRule, `${path}.limits[${name}]`));
  for (const [name, quantity] of Object.entries(requests)) {
    const at = `${path}.requests[${name}]`;
    errors.push(...nameRule(name, at), ...validateResourceQuantity(name, quantity, at));
    errors.push(...validateAgainstLimit(name, quantity, ownValue(limits, name), path));
    errors.push(...validateHugePages(name, quantity, at));
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) {
    errors.push(forbiddenField(path, 'HugePages require cpu or memory'));
  }
  errors.push(...validateClaims(resources.claims ?? [], claims, `${path}.claims`));
  return errors;
}

function validateEntry(name: string, quantity: Quantity, nameRule: NameRule, path: string): FieldError[] {
  return [...nameRule(name, path), ...validateResourceQuantity(name, quantity, path), ...validateHugePages(name, quantity, path)];
}

function validateHugePages(name: string, quantity: Quantity, path: string): FieldError[] {
  if (!isHugePages(name)) return [];
  try {
    const page = toNumber(name.slice('hugepages-'.length));
    if (page > 0 && toNumber(quantity) % page === 0) return [];
  } catch {
    // The suffix is no quantity: not divisible, as upstream answers.
  }
  const shown = canonicalQuantity(quantity);
  return [invalidValue(path, shown, `${shown} is not positive integer multiple of ${name}`)];
}

function validateAgainstLimit(name: string, quantity: Quantity, limit: Quantity | undefined, path: string): FieldError[] {
  if (limit === undefined) {
    return isOvercommitAllowed(name) ? [] : [required(`${path}.limits`, 'Limit must be set for non overcommitable resources')];
  }
  const order = compareQuantity(quantity, limit);
  const [shown, shownLimit] = [canonicalQuantity(quantity), canonicalQuantity(limit)];
  if (order !== 0 && !isOvercommitAllowed(name)) {
    return [invalidValue(`${path}.requests`, shown, `must be equal to ${name} limit of ${shownLimit}`)];
  }
  if (order <= 0) return [];
  return [invalidValue(`${path}.requests`, shown, `must be less than or equal to ${name} limit of ${shownLimit}`)];
}

function validateClaims(used: readonly ResourceClaim[], known: ReadonlySet<string>, path: string): FieldError[] {
  const seen = new Set<string>();
  /** Claims of which a single request is used. */
  const partly = new Set<string>();
  return used.flatMap(({ name, request }, index) => {
    const at = `${path}[${index}]`;
    if (!name) return [required(at)];
    const errors: FieldError[] = [];
    const key = request ? `${name}/${request}` : name;
    if (request) errors.push(...isDns1123Label(request).map((text) => invalidValue(`${at}.request`, request, text)));
    if (seen.has(name) || seen.has(key)) errors.push(duplicate(at, key));
    else if (!request && partly.has(name)) errors.push(duplicate(at, name));
    seen.add(key);
    if (request) partly.add(name);
    if (!known.has(name)) {
      const { field, reason, message } = fieldNotFound(at, name);
      const which = known.size === 0 ? ' which is empty' : `: ${[...known].sort().join(', ')}`;
      errors.push({ field, reason, message: `${message}: must be one of the names in pod.spec.resourceClaims${which}` });
    }
    return errors;
  });
}

/** The overhead of a runtime class, checked like limits. */
export function validateOverhead(overhead: Record<string, Quantity> | undefined, path: string): FieldError[] {
  return overhead === undefined ? [] : validateContainerResources({ limits: overhead }, new Set(), path);
}

/** Requests and limits of the pod as a whole, which its containers must fit into. */
export function validatePodResources(spec: PodSpec, claims: ReadonlySet<string>, path: string): FieldError[] {
  const { resources } = spec;
  if (resources === undefined) return [];
  const at = `${path}.resources`;
  const errors: FieldError[] = [];
  if (resources.claims !== undefined)
    errors.push(forbiddenField(`${at}.claims`, 'claims may not be set for Resources at pod-level'));
  errors.push(...validateRequirements(resources, podResourceName, claims, at));
  for (const [name, sum] of Object.entries(aggregateContainers(spec, 'requests'))) {
    const given = resources.requests?.[name];
    if (given === undefined || compareQuantity(sum, given) <= 0) continue;
    const text = `must be greater than or equal to aggregate container requests of ${canonicalQuantity(sum)}`;
    errors.push(invalidValue(`${at}.requests[${name}]`, canonicalQuantity(given), text));
  }
  spec.containers.forEach((container, index) => {
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      const podLimit = resources.limits?.[name];
      if (podLimit === undefined || compareQuantity(limit, podLimit) <= 0) continue;
      const text = `must be less than or equal to pod limits of ${canonicalQuantity(podLimit)}`;
      errors.push(invalidValue(`${at}.containers[${index}][${name}].limits`, canonicalQuantity(limit), text));
    }
  });
  return errors;
}

/**
 * Problems of `resizePolicy`: resources that cannot be resized or stand twice. Source: upstream `pkg/apis/core/validation`
 * (validateResizePolicy).
 */
export function validateResizePolicy(
  policies: readonly ContainerResizePolicy[],
  podRestartPolicy: string | undefined,
  path: string,
): FieldError[] {
  const seen = new Set<string>();
  return policies.flatMap(({ resourceName, restartPolicy }, index) => {
    const errors: FieldError[] = [];
    if (seen.has(resourceName)) errors.push(duplicate(`${path}[${index}]`, resourceName));
    seen.add(resourceName);
    if (!resourceName) errors.push(required(path));
    else if (resourceName !== 'cpu' && resourceName !== 'memory')
      errors.push(notSupported(path, resourceName, ['cpu', 'memory']));
    if (!restartPolicy) errors.push(required(path));
    else if (restartPolicy !== 'NotRequired' && restartPolicy !== 'RestartContainer') {
      errors.push(notSupported(path, restartPolicy, ['NotRequired', 'RestartContainer']));
    }
    if (podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      errors.push(invalidValue(path, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
    }
    return errors;
  });
}
