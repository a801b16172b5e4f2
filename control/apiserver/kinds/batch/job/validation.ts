/** Jobs. Source: upstream `pkg/apis/batch/validation/validation.go` (ValidateJob, ValidateJobUpdate). */
import { jobLabels } from '#api/batch/job.ts';
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import { validateLabelSelector } from '#api/labels.ts';
import { isDns1123Label } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import { labelMatcher, matchesLabels, SelectorError } from '#api/selector.ts';
import type { Job, JobSpec, LabelSelector, LabelSelectorRequirement } from '#api/types.generated.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { validateJobSpecParts } from './spec-validation.ts';
import { validateSpecUpdate } from './update-validation.ts';

/** Problems of a Job. @param old undefined on create */
export function validateJob(job: Job, old: Job | undefined): FieldError[] {
  return [...validateGeneratedSelector(job, needsPrefixedLabels(old)), ...validateJobSpec(job.spec), ...validateHostname(job)];
}

/** What is special to updates. Upstream checks the spec once more here; equal texts are shown once. */
export function validateJobUpdate(job: Job, old: Job): FieldError[] {
  return [...validateJobSpec(job.spec), ...validateSpecUpdate(job.spec, old)];
}

/**
 * Whether the Job must have labels with the prefix `batch.kubernetes.io/`: a Job that was stored before those existed may stay
 * without.
 */
function needsPrefixedLabels(old: Job | undefined): boolean {
  const labels = old?.spec.template.metadata?.labels ?? {};
  return old === undefined || [jobLabels.jobName, jobLabels.controllerUid].every((key) => ownValue(labels, key) !== undefined);
}

function validateGeneratedSelector({ metadata, spec }: Job, prefixed: boolean): FieldError[] {
  if (spec.manualSelector === true || spec.selector === undefined) return [];
  const { name, uid } = metadata;
  const expected: Record<string, string> = {
    [jobLabels.legacyControllerUid]: uid,
    [jobLabels.legacyJobName]: name,
    ...(prefixed ? { [jobLabels.controllerUid]: uid, [jobLabels.jobName]: name } : {}),
  };
  const labels = spec.template.metadata?.labels ?? {};
  const errors = Object.entries(expected).flatMap(([key, value]) => validateHasLabel(labels, key, value));
  if (selects(spec.selector, expected) === 'no')
    errors.push(invalidValue('spec.selector', spec.selector, '`selector` not auto-generated'));
  return errors;
}

function validateHasLabel(labels: Readonly<Record<string, string>>, key: string, value: string): FieldError[] {
  const actual = ownValue(labels, key);
  const path = `spec.template.metadata.labels[${key}]`;
  if (actual === undefined) return [required(path, `must be '${value}'`)];
  return actual === value ? [] : [invalidValue(path, labels, `must be '${value}'`)];
}

function validateJobSpec(spec: JobSpec): FieldError[] {
  const labels = spec.template.metadata?.labels;
  const matched = selects(spec.selector, labels ?? {});
  return [
    ...validateJobSpecParts(spec, 'spec'),
    ...(spec.selector === undefined ? [required('spec.selector')] : validateLabelSelector(spec.selector, 'spec.selector')),
    ...(matched === 'no'
      ? [invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')]
      : []),
  ];
}

/** Whether the selector selects these labels. `malformed`: it cannot be evaluated, which other checks report. */
function selects(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>>): 'yes' | 'no' | 'malformed' {
  try {
    return matchesLabels(labelMatcher(selector && withAllFields(selector)), labels) ? 'yes' : 'no';
  } catch (error) {
    if (error instanceof SelectorError) return 'malformed';
    throw error;
  }
}

/** The selector with every field that its type requires, because a client may have left some out. */
function withAllFields({ matchLabels, matchExpressions = [] }: LabelSelector): LabelSelector {
  const expressions = matchExpressions.map(({ key = '', operator = '', values }: Submitted<LabelSelectorRequirement>) => ({
    key,
    operator,
    values,
  }));
  return { matchLabels, matchExpressions: expressions };
}

/** The pods of an indexed Job get host names with their index, which have to be DNS labels. */
function validateHostname({ metadata: { name }, spec }: Job): FieldError[] {
  const { completions = 0 } = spec;
  if (spec.completionMode !== 'Indexed' || completions <= 0) return [];
  const hostname = `${name}-${completions - 1}`;
  if (isDns1123Label(hostname).length === 0) return [];
  return [invalidValue('metadata.name', name, `will not able to create pod with invalid DNS label: ${hostname}`)];
}
