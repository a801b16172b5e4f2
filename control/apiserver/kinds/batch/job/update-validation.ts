/** What may not change in a Job's spec. Source: upstream `pkg/apis/batch/validation/validation.go` (ValidateJobSpecUpdate), `pkg/registry/batch/job/strategy.go`. */
import { isJobConditionTrue } from '#api/batch/job.ts';
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { sameJson } from '#api/meta.ts';
import { validateImmutable } from '#api/object-meta.ts';
import type { Container, Job, JobSpec, PodSpec } from '#api/types.generated.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { goPodFailurePolicy, goSuccessPolicy } from './go-policies.ts';

/**
 * What an update of the spec may not change: most fields, unless the Job is suspended. Source: upstream
 * `pkg/apis/batch/validation` (ValidateJobSpecUpdate).
 */
export function validateSpecUpdate(spec: JobSpec, old: Job): FieldError[] {
  const before = old.spec;
  return [
    ...validateCompletions(spec, before),
    ...immutable(spec.selector, before.selector, 'spec.selector'),
    ...validateTemplateUpdate(spec, old),
    ...validateImmutable(spec.completionMode, before.completionMode, 'spec.completionMode'),
    ...immutable(spec.podFailurePolicy, before.podFailurePolicy, 'spec.podFailurePolicy', goPodFailurePolicy),
    ...validateImmutable(spec.backoffLimitPerIndex, before.backoffLimitPerIndex, 'spec.backoffLimitPerIndex'),
    ...validateImmutable(spec.managedBy, before.managedBy, 'spec.managedBy'),
    ...immutable(spec.successPolicy, before.successPolicy, 'spec.successPolicy', goSuccessPolicy),
  ];
}

/** The error for a field that was changed. Empty and absent are equal. @param show the value as the error prints it */
function immutable<T>(
  value: T | undefined,
  old: T | undefined,
  path: string,
  show: (value: T) => unknown = (one) => one,
): FieldError[] {
  if (semanticEqual(value, old)) return [];
  return [invalidValue(path, value === undefined ? null : show(value), 'field is immutable')];
}

/** An indexed Job may be scaled: completions and parallelism together. */
function validateCompletions(spec: JobSpec, old: JobSpec): FieldError[] {
  const { completions, parallelism } = spec;
  if (spec.completionMode !== 'Indexed') return validateImmutable(completions, old.completions, 'spec.completions');
  if (sameJson(completions, old.completions) || completions === undefined || completions === parallelism) return [];
  return [invalidValue('spec.completions', completions, 'can only be modified in tandem with spec.parallelism')];
}

function validateTemplateUpdate(spec: JobSpec, old: Job): FieldError[] {
  if (!isTemplateMutable(old)) return immutable(spec.template, old.spec.template, 'spec.template');
  const pod = spec.template.spec ?? { containers: [] };
  return immutable(pod, withMutableParts(old.spec.template.spec ?? { containers: [] }, pod), 'spec.template.spec');
}

/** Suspended, and no pod of it is left: where its pods run and what they request may be decided anew (KEP-2926, KEP-5440). */
function isTemplateMutable({ spec, status }: Job): boolean {
  const isStopped = status?.startTime === undefined || isJobConditionTrue(status.conditions, 'Suspended');
  return spec.suspend === true && isStopped && (status?.active ?? 0) === 0;
}

/** The old spec with those parts of the new one that may change. */
function withMutableParts(old: PodSpec, pod: PodSpec): PodSpec {
  return {
    ...old,
    affinity: affinityToCompare(old, pod),
    nodeSelector: pod.nodeSelector,
    tolerations: pod.tolerations,
    schedulingGates: pod.schedulingGates,
    containers: withResources(old.containers, pod.containers) ?? [],
    initContainers: withResources(old.initContainers, pod.initContainers),
  };
}

function affinityToCompare(old: PodSpec, pod: PodSpec): PodSpec['affinity'] {
  if (old.affinity === undefined && pod.affinity === undefined) return undefined;
  const affinity = { ...old.affinity, nodeAffinity: pod.affinity?.nodeAffinity };
  // If nothing else of the affinity is left, the whole affinity may be removed.
  return pod.affinity === undefined && semanticEqual(affinity, {}) ? undefined : affinity;
}

function withResources(old: Container[] | undefined, containers: Container[] | undefined): Container[] | undefined {
  if (old === undefined || old.length !== containers?.length) return old;
  return old.map((container, index) => {
    const changed = containers[index];
    return changed?.name === container.name ? { ...container, resources: changed.resources } : container;
  });
}
