/** StorageClasses. Source: upstream `pkg/apis/storage/validation/validation.go`, `pkg/apis/core/validation/validation.go`. */
import { duplicate, type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { validateLabelName } from '#api/labels.ts';
import type { StorageClass, TopologySelectorLabelRequirement, TopologySelectorTerm } from '#api/types.generated.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { validateParameters, validateProvisioner } from '../class-parameters.ts';

const reclaimPolicies = ['Delete', 'Retain'];
const bindingModes = ['Immediate', 'WaitForFirstConsumer'];

/** Validates a StorageClass. Source: upstream `pkg/apis/storage/validation` (ValidateStorageClass). */
export function validateStorageClass(object: StorageClass): FieldError[] {
  const { provisioner, parameters, reclaimPolicy, volumeBindingMode, allowedTopologies } = object;
  return [
    ...validateProvisioner(provisioner, 'provisioner'),
    ...validateParameters(parameters, false, 'parameters'),
    ...(reclaimPolicy && !reclaimPolicies.includes(reclaimPolicy)
      ? [notSupported('reclaimPolicy', reclaimPolicy, reclaimPolicies)]
      : []),
    ...validateBindingMode(volumeBindingMode),
    ...validateTopologies(allowedTopologies ?? [], 'allowedTopologies'),
  ];
}

function validateBindingMode(mode: string | undefined): FieldError[] {
  if (mode === undefined) return [required('volumeBindingMode')];
  return bindingModes.includes(mode) ? [] : [notSupported('volumeBindingMode', mode, bindingModes)];
}

/** Validates topology terms, which must be unique. Because of upstream's way of comparing, an empty term always counts as a duplicate. */
function validateTopologies(terms: readonly TopologySelectorTerm[], path: string): FieldError[] {
  const seen = new Map<string, number>([['[]', terms.length]]);
  return terms.flatMap(({ matchLabelExpressions = [] }, index) => {
    const at = `${path}[${index}].matchLabelExpressions`;
    const errors = validateRequirements(matchLabelExpressions, at);
    const key = keyOf(matchLabelExpressions);
    const times = seen.get(key) ?? 0;
    for (let time = 0; time < times; time++) errors.push(duplicate(at, ''));
    seen.set(key, times + 1);
    return errors;
  });
}

function validateRequirements(requirements: readonly Submitted<TopologySelectorLabelRequirement>[], path: string): FieldError[] {
  const keys = new Set<string>();
  return requirements.flatMap(({ key = '', values = [] }, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = values.length === 0 ? [required(`${at}.values`)] : [];
    const seen = new Set<string>();
    values.forEach((value, position) => {
      if (seen.has(value)) errors.push(duplicate(`${at}.values[${position}]`, value));
      seen.add(value);
    });
    errors.push(...validateLabelName(key, `${at}.key`));
    if (keys.has(key)) errors.push(duplicate(`${at}.key`, key));
    keys.add(key);
    return errors;
  });
}

/** A key that is equal for equivalent terms. */
function keyOf(requirements: readonly Submitted<TopologySelectorLabelRequirement>[]): string {
  const byKey = new Map(requirements.map(({ key = '', values = [] }) => [key, [...new Set(values)].sort()]));
  return JSON.stringify([...byKey].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const kept = ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const;

/** Validates an update: fields that existing volumes depend on are immutable. */
export function validateStorageClassUpdate(object: StorageClass, old: StorageClass): FieldError[] {
  return kept.flatMap((field) =>
    semanticEqual(object[field], old[field]) ? [] : [invalidValue(field, object[field], 'field is immutable')],
  );
}
