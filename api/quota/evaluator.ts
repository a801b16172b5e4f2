/**
 * Measures the quota usage of objects of one resource. API server (before a write) and controller (after deletions) measure with the same
 * evaluators. Pure.
 *
 * Source: apiserver `pkg/quota/v1/interfaces.go`, `pkg/quota/v1/generic/evaluator.go`.
 */
import type { KubeObject } from '../meta.ts';
import type { ResourceList } from '../pod/requests.ts';
import type { ResourceQuota, ScopedResourceSelectorRequirement } from '../types.generated.ts';

/** A write, as far as an evaluator has to know it. */
export interface MeasuredWrite {
  operation: 'create' | 'update';
  /** '': the object itself. */
  subresource: string;
  object: KubeObject;
  /** Undefined on create. */
  oldObject: KubeObject | undefined;
}

/** Measures the objects of one resource. Objects are of the resource's own type. */
export interface Evaluator {
  /** Whether this name of a quota's `hard` is a measure of the resource. */
  measures(name: string): boolean;
  /** Whether the write may change what is used. */
  handles(write: MeasuredWrite): boolean;
  /** Whether the object is in the scope. */
  isInScope(scope: ScopedResourceSelectorRequirement, object: KubeObject): boolean;
  /** The fields that the object must set when quotas limit these names, but does not set; undefined when there are none. */
  missing(names: readonly string[], object: KubeObject): string | undefined;
  /** The usage of the object. @throws QuantityError */
  usage(object: KubeObject, nowMs: number): ResourceList;
  /** Whether the change of a stored object may decrease its usage, so that quotas must be computed again. */
  isReplenished(object: KubeObject, previous: KubeObject, nowMs: number): boolean;
}

/** The scopes of a quota, in the form of requirements. */
export function scopesOf({ spec }: Pick<ResourceQuota, 'spec'>): ScopedResourceSelectorRequirement[] {
  const scopes = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' }));
  return [...scopes, ...(spec?.scopeSelector?.matchExpressions ?? [])];
}

/** Whether the object is in all scopes of the quota. */
export const isInScopes = (evaluator: Evaluator, quota: Pick<ResourceQuota, 'spec'>, object: KubeObject): boolean =>
  scopesOf(quota).every((scope) => evaluator.isInScope(scope, object));

/** Whether one of the values (usually there is one at most) fulfils the requirement. As label selectors, `NotIn` holds where there is none. */
export function fulfils({ operator, values = [] }: ScopedResourceSelectorRequirement, own: readonly string[]): boolean {
  switch (operator) {
    case 'In':
      return own.some((value) => values.includes(value));
    case 'NotIn':
      return own.length === 0 || own.some((value) => !values.includes(value));
    case 'Exists':
      return own.length > 0;
    case 'DoesNotExist':
      return own.length === 0;
    default:
      return false;
  }
}

/** `count/pods`, `count/deployments.apps`. */
export const countName = (group: string, plural: string): string => `count/${plural}${group === '' ? '' : `.${group}`}`;
