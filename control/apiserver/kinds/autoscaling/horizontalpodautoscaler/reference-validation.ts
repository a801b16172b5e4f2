/** References to what is scaled or measured. Source: upstream `pkg/apis/autoscaling/validation/validation.go`. */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import { isPathSegmentName } from '#api/names.ts';
import type { AutoscalingV2CrossVersionObjectReference } from '#api/types.generated.ts';
import type { Submitted } from '../../../validation/submitted.ts';

/**
 * Which `apiVersion` a reference may have. `group`: one with a group. `any group`: also the core group's. `anything`: not
 * checked, for references that are stored already.
 */
export type ApiVersionRule = 'group' | 'any group' | 'anything';

/** The object that an autoscaler or a metric names, as a client sent it: any part may be absent. */
export type Reference = Submitted<AutoscalingV2CrossVersionObjectReference>;

/**
 * Problems of kind, name and apiVersion of a reference. Source: upstream `pkg/apis/autoscaling/validation`
 * (ValidateCrossVersionObjectReference).
 */
export function validateReference(reference: Reference, path: string, rule: ApiVersionRule): FieldError[] {
  const { apiVersion = '' } = reference;
  const names = (['kind', 'name'] as const).flatMap((part) => {
    const value = reference[part] ?? '';
    if (value === '') return [required(`${path}.${part}`)];
    return isPathSegmentName(value).map((text) => invalidValue(`${path}.${part}`, value, text));
  });
  const error = apiVersionError(apiVersion, rule);
  return error === '' ? names : [...names, invalidValue(`${path}.apiVersion`, apiVersion, error)];
}

/** What is wrong with an apiVersion; '' for nothing. */
export function apiVersionError(apiVersion: string, rule: ApiVersionRule): string {
  if (rule === 'anything') return '';
  const parts = apiVersion.split('/');
  if (parts.length > 2) return `unexpected GroupVersion string: ${apiVersion}`;
  const group = parts.length === 2 ? parts[0] : '';
  return rule === 'group' && group === '' ? 'apiVersion must specify API group' : '';
}
