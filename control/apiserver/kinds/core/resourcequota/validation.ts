/** ResourceQuotas. Source: upstream `pkg/apis/core/validation/validation.go` (ValidateResourceQuota), `pkg/apis/core/helper/helpers.go`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import type { Quantity } from '#api/json.ts';
import type { ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '#api/types.generated.ts';
import { isStandardResource, validateResourceName, validateResourceQuantity } from '../../../validation/pod-spec/resources.ts';

/** A resource name that the API knows and quotas do not: it is for volumes only. */
const notForQuotas = 'storage';
const podScopes = ['Terminating', 'NotTerminating', 'NotBestEffort', 'PriorityClass', 'CrossNamespacePodAffinity'];
const standardScopes = new Set([...podScopes, 'BestEffort', 'VolumeAttributesClass']);
const podCompute = new Set(['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory']);
const opposites = [
  ['BestEffort', 'NotBestEffort'],
  ['NotTerminating', 'Terminating'],
] as const;
const onlyExists =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

/** Problems of limits and scopes. Source: upstream `pkg/apis/core/validation` (ValidateResourceQuotaSpec). */
export function validateResourceQuota({ spec }: ResourceQuota): FieldError[] {
  return [...validateAmounts(spec.hard, 'spec.hard'), ...validateScopes(spec), ...validateScopeSelector(spec)];
}

/**
 * The scopes may not change, in whatever order they stand. Source: upstream `pkg/apis/core/validation`
 * (ValidateResourceQuotaUpdate).
 */
export function validateResourceQuotaUpdate(quota: ResourceQuota, old: ResourceQuota): FieldError[] {
  const [now, before] = [new Set(quota.spec?.scopes), new Set(old.spec?.scopes)];
  if (now.size === before.size && [...now].every((scope) => before.has(scope))) return [];
  return [invalidValue('spec.scopes', quota.spec?.scopes, 'field is immutable')];
}

/**
 * Problems of `status.hard` and `status.used`. Source: upstream `pkg/apis/core/validation` (ValidateResourceQuotaStatusUpdate).
 */
export const validateResourceQuotaStatus = ({ status }: ResourceQuota): FieldError[] => [
  ...validateAmounts(status?.hard, 'status.hard'),
  ...validateAmounts(status?.used, 'status.used'),
];

function validateAmounts(list: Record<string, Quantity> | undefined, path: string): FieldError[] {
  return Object.entries(list ?? {}).flatMap(([name, quantity]) => {
    const at = `${path}[${name}]`;
    const errors = validateResourceName(name, at);
    if (!name.includes('/') && !isQuotaName(name)) errors.push(invalidValue(at, name, 'must be a standard resource for quota'));
    return [...errors, ...validateResourceQuantity(name, quantity, at)];
  });
}

/** A name without a domain that quotas know. */
const isQuotaName = (name: string): boolean => name !== notForQuotas && isStandardResource(name);

/** Whether this scope allows a limit of the name. Names that quotas do not know are allowed. */
function isForScope(scope: string, name: string): boolean {
  if (!isQuotaName(name)) return true;
  if (scope === 'BestEffort') return name === 'pods';
  if (scope === 'VolumeAttributesClass') return name === 'persistentvolumeclaims' || name === 'requests.storage';
  return podScopes.includes(scope) ? name === 'pods' || podCompute.has(name) : true;
}

const namesOf = ({ hard }: ResourceQuotaSpec): string[] => Object.keys(hard ?? {}).sort();

function validateScopes(spec: ResourceQuotaSpec): FieldError[] {
  const { scopes = [] } = spec;
  const problem = (text: string): FieldError => invalidValue('spec.scopes', scopes, text);
  const names = namesOf(spec);
  const errors = scopes.flatMap((scope) => [
    ...(standardScopes.has(scope) ? [] : [problem('unsupported scope')]),
    ...names.filter((name) => !isForScope(scope, name)).map(() => problem('unsupported scope applied to resource')),
  ]);
  const isConflicting = ([a, b]: readonly [string, string]): boolean => scopes.includes(a) && scopes.includes(b);
  return [...errors, ...opposites.filter(isConflicting).map(() => problem('conflicting scopes'))];
}

function validateScopeSelector(spec: ResourceQuotaSpec): FieldError[] {
  if (spec.scopeSelector === undefined) return [];
  const path = 'spec.scopeSelector.matchExpressions';
  const requirements = spec.scopeSelector.matchExpressions ?? [];
  const names = namesOf(spec);
  const errors = requirements.flatMap((requirement) => {
    const { scopeName } = requirement;
    return [
      ...(standardScopes.has(scopeName) ? [] : [invalidValue(`${path}.scopeName`, scopeName, 'unsupported scope')]),
      ...names
        .filter((name) => !isForScope(scopeName, name))
        .map(() => invalidValue(path, spec.scopeSelector, 'unsupported scope applied to resource')),
      ...validateOperator(requirement, path),
    ];
  });
  const scopes = new Set(requirements.map(({ scopeName }) => scopeName));
  const conflicting = opposites.filter(([a, b]) => scopes.has(a) && scopes.has(b));
  return [...errors, ...conflicting.map(() => invalidValue(path, spec.scopes, 'conflicting scopes'))];
}

function validateOperator({ scopeName, operator, values = [] }: ScopedResourceSelectorRequirement, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const isPlain = standardScopes.has(scopeName) && scopeName !== 'PriorityClass' && scopeName !== 'VolumeAttributesClass';
  if (isPlain && operator !== 'Exists') errors.push(invalidValue(`${path}.operator`, operator, onlyExists));
  const isAboutValues = operator === 'In' || operator === 'NotIn';
  if (isAboutValues) {
    if (values.length > 0) return errors;
    const why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
    return [...errors, required(`${path}.values`, why)];
  }
  if (operator !== 'Exists' && operator !== 'DoesNotExist')
    return [...errors, invalidValue(`${path}.operator`, operator, 'not a valid selector operator')];
  if (values.length === 0) return errors;
  const why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
  return [...errors, invalidValue(`${path}.values`, values, why)];
}
