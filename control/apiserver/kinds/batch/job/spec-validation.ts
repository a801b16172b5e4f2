/** A Job's spec, also inside a CronJob. Source: upstream `pkg/apis/batch/validation/validation.go` (validateJobSpec). */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, notSupported, required, tooLong } from '#api/field-error.ts';
import type { JobSpec } from '#api/types.generated.ts';
import { validateDomainPrefixedPath, validateNonNegative } from '../../../validation/paths.ts';
import { validateTemplate } from '../../../validation/pod-spec/pod-template.ts';
import { validatePodFailurePolicy } from './failure-policy-validation.ts';
import { goSuccessPolicy } from './go-policies.ts';
import { validateSuccessPolicy } from './success-policy-validation.ts';

const maxIndexedParallelism = 100_000;
const maxFailedIndexes = 100_000;
/**
 * From this number of completions on, backoffLimitPerIndex is only allowed together with tighter limits on parallelism and failed
 * indexes.
 */
const manyCompletions = 100_000;
const maxParallelismOfMany = 10_000;
const maxFailedIndexesOfMany = 10_000;
const maxManagedByBytes = 63;

/** All that a Job's spec and that of a CronJob's template have in common. @param path `spec` */
export function validateJobSpecParts(spec: JobSpec, path: string): FieldError[] {
  const at = (field: string): string => `${path}.${field}`;
  return [
    ...validateCounts(spec, path),
    ...(spec.managedBy === undefined ? [] : validateManagedBy(spec.managedBy, at('managedBy'))),
    ...validateCompletionMode(spec, path),
    ...(spec.podFailurePolicy === undefined ? [] : validatePodFailurePolicy(spec, spec.podFailurePolicy, at('podFailurePolicy'))),
    ...validateSuccess(spec, at('successPolicy')),
    ...validateReplacement(spec, at('podReplacementPolicy')),
    ...validateTemplate(spec.template, at('template')),
    ...validateRestartPolicy(spec, at('template.spec.restartPolicy')),
  ];
}

function validateCounts(spec: JobSpec, path: string): FieldError[] {
  const names = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const;
  const errors = names.flatMap((name) => validateNonNegative(spec[name], `${path}.${name}`));
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  return errors;
}

/** A path with a domain in front: `acme.io/foo`. */
function validateManagedBy(name: string, path: string): FieldError[] {
  const tooLarge = Buffer.byteLength(name) > maxManagedByBytes ? [tooLong(path, maxManagedByBytes)] : [];
  return [...validateDomainPrefixedPath(name, path), ...tooLarge];
}

function validateCompletionMode(spec: JobSpec, path: string): FieldError[] {
  const { completionMode: mode, backoffLimitPerIndex, maxFailedIndexes: maxFailed } = spec;
  const errors: FieldError[] = [];
  if (mode !== undefined && mode !== 'NonIndexed' && mode !== 'Indexed')
    errors.push(notSupported(`${path}.completionMode`, mode, ['NonIndexed', 'Indexed']));
  if (mode === 'Indexed') errors.push(...validateIndexed(spec, path));
  if (mode === undefined || mode === 'NonIndexed') {
    const text = 'requires indexed completion mode';
    if (backoffLimitPerIndex !== undefined) errors.push(invalidValue(`${path}.backoffLimitPerIndex`, backoffLimitPerIndex, text));
    if (maxFailed !== undefined) errors.push(invalidValue(`${path}.maxFailedIndexes`, maxFailed, text));
  }
  return errors;
}

function validateIndexed(spec: JobSpec, path: string): FieldError[] {
  const { completions, parallelism = 0, maxFailedIndexes: maxFailed } = spec;
  const atParallelism = `${path}.parallelism`;
  const atMaxFailed = `${path}.maxFailedIndexes`;
  const errors: FieldError[] = [];
  if (completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'));
  if (parallelism > maxIndexedParallelism) {
    const text = `must be less than or equal to ${maxIndexedParallelism} when completion mode is Indexed`;
    errors.push(invalidValue(atParallelism, parallelism, text));
  }
  if (completions !== undefined && maxFailed !== undefined && maxFailed > completions)
    errors.push(invalidValue(atMaxFailed, maxFailed, 'must be less than or equal to completions'));
  if (maxFailed !== undefined && maxFailed > maxFailedIndexes)
    errors.push(invalidValue(atMaxFailed, maxFailed, `must be less than or equal to ${maxFailedIndexes}`));
  if ((completions ?? 0) <= manyCompletions || spec.backoffLimitPerIndex === undefined) return errors;
  const when = `when completions are above ${manyCompletions} and used with backoff limit per index`;
  if (maxFailed === undefined)
    errors.push(required(atMaxFailed, `must be specified when completions is above ${manyCompletions}`));
  if (parallelism > maxParallelismOfMany)
    errors.push(invalidValue(atParallelism, parallelism, `must be less than or equal to ${maxParallelismOfMany} ${when}`));
  if (maxFailed !== undefined && maxFailed > maxFailedIndexesOfMany)
    errors.push(invalidValue(atMaxFailed, maxFailed, `must be less than or equal to ${maxFailedIndexesOfMany} ${when}`));
  return errors;
}

function validateSuccess(spec: JobSpec, path: string): FieldError[] {
  const { successPolicy } = spec;
  if (successPolicy === undefined) return [];
  if (spec.completionMode !== 'Indexed')
    return [invalidValue(path, goSuccessPolicy(successPolicy), 'requires indexed completion mode')];
  return validateSuccessPolicy(successPolicy, spec.completions ?? 0, path);
}

function validateReplacement({ podReplacementPolicy: policy, podFailurePolicy }: JobSpec, path: string): FieldError[] {
  const supported = podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed'];
  return policy === undefined || supported.includes(policy) ? [] : [notSupported(path, policy, supported)];
}

function validateRestartPolicy({ template, podFailurePolicy }: JobSpec, path: string): FieldError[] {
  const policy = template.spec?.restartPolicy ?? '';
  if (policy === 'Always' || policy === '') return [required(path, 'valid values: "OnFailure", "Never"')];
  if (policy !== 'OnFailure' && policy !== 'Never') return [notSupported(path, policy, ['OnFailure', 'Never'])];
  if (podFailurePolicy === undefined || policy === 'Never') return [];
  return [invalidValue(path, policy, 'only "Never" is supported when podFailurePolicy is specified')];
}
