/** Pod templates, and what Deployments and ReplicaSets ask of them. Source: upstream `pkg/apis/apps/validation/validation.go`. */

import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { validateAnnotations, validateLabelSelector, validateLabels } from '#api/labels.ts';
import { ownValue } from '#api/own-value.ts';
import { labelMatcher, matchesLabels, SelectorError } from '#api/selector.ts';
import type { LabelSelector, LabelSelectorRequirement, PodSpec, PodTemplateSpec } from '#api/types.generated.ts';
import { validatePodAnnotations } from '../../kinds/core/pod/annotations-validation.ts';
import type { Submitted } from '../submitted.ts';
import { validatePodSpec } from './pod-spec.ts';

const emptySpec: PodSpec = { containers: [] };

/** All that is wrong with a template, whoever has it. */
export function validateTemplate({ metadata = {}, spec = emptySpec }: PodTemplateSpec, path: string): FieldError[] {
  const errors = [
    ...validateLabels(metadata.labels, `${path}.labels`),
    ...validateAnnotations(metadata.annotations, `${path}.annotations`),
    ...validatePodAnnotations(metadata.annotations ?? {}, spec, `${path}.annotations`),
    ...validatePodSpec(spec, `${path}.spec`, false),
  ];
  if ((spec.ephemeralContainers ?? []).length > 0) {
    errors.push(forbiddenField(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'));
  }
  return errors;
}

/** The selector must select what the template makes: otherwise the controller would create pods without end. */
export function validateSelectorAndTemplate(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (selector === undefined) errors.push(required(`${path}.selector`));
  else {
    errors.push(...validateLabelSelector(selector, `${path}.selector`));
    if (isEmpty(selector)) errors.push(invalidValue(`${path}.selector`, selector, 'empty selector is invalid for deployment'));
  }
  if (hasUnknownOperator(selector)) return [...errors, invalidValue(`${path}.selector`, selector, 'invalid label selector')];
  const at = `${path}.template`;
  const labels = template.metadata?.labels;
  if (selector === undefined || !matches(selector, labels ?? {})) {
    errors.push(invalidValue(`${at}.metadata.labels`, labels, '`selector` does not match template `labels`'));
  }
  errors.push(...validateTemplate(template, at));
  return [...errors, ...validateLasting(template, at, 'ReplicaSet')];
}

function isEmpty({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length + matchExpressions.length === 0;
}

function hasUnknownOperator(selector: LabelSelector | undefined): boolean {
  const known = ['In', 'NotIn', 'Exists', 'DoesNotExist'];
  return selector?.matchExpressions?.some(({ operator }) => !known.includes(operator)) === true;
}

function matches({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const equal = Object.entries(matchLabels).every(([key, value]) => ownValue(labels, key) === value);
  return (
    equal &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = ownValue(labels, key);
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      return operator === 'In' ? value !== undefined && values.includes(value) : value === undefined || !values.includes(value);
    })
  );
}

/** Whether a selector selects these labels. Undefined where it is malformed, which is an error of its own. */
export function selectorMatches(selector: LabelSelector, labels: Readonly<Record<string, string>> = {}): boolean | undefined {
  const submittedExpressions: readonly Submitted<LabelSelectorRequirement>[] = selector.matchExpressions ?? [];
  const matchExpressions = submittedExpressions.map(({ key = '', operator = '', values }) => ({ key, operator, values }));
  try {
    return matchesLabels(labelMatcher({ matchLabels: selector.matchLabels, matchExpressions }), labels);
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

/** Pods of a workload that never ends restart always, and have no deadline. @param kind as the message names it */
export function validateLasting({ spec = emptySpec }: PodTemplateSpec, path: string, kind: string): FieldError[] {
  const { restartPolicy = '', activeDeadlineSeconds } = spec;
  return [
    ...(restartPolicy === 'Always' ? [] : [notSupported(`${path}.spec.restartPolicy`, restartPolicy, ['Always'])]),
    ...(activeDeadlineSeconds === undefined
      ? []
      : [forbiddenField(`${path}.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${kind} is not Supported`)]),
  ];
}
