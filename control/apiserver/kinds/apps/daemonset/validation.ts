/** DaemonSets. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import { type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { validateLabelSelector } from '#api/labels.ts';
import { validateImmutable } from '#api/object-meta.ts';
import type { DaemonSet, DaemonSetUpdateStrategy, RollingUpdateDaemonSet } from '#api/types.generated.ts';
import { numberOf, validateAtMostAll, validateIntOrPercent } from '../../../validation/int-or-percent.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import { selectorMatches, validateLasting, validateTemplate } from '../../../validation/pod-spec/pod-template.ts';
import { validateCollisions } from '../../../validation/replica-counts.ts';

/** Problems of the whole spec. @param old undefined on create */
export function validateDaemonSet({ spec }: DaemonSet, old: DaemonSet | undefined): FieldError[] {
  return [
    ...(old === undefined ? [] : validateImmutable(spec.selector, old.spec.selector, 'spec.selector')),
    ...validateLabelSelector(spec.selector, 'spec.selector'),
    ...validateSelected(spec),
    ...validateTemplate(spec.template, 'spec.template'),
    ...validateLasting(spec.template, 'spec.template', 'DaemonSet'),
    ...validateNonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateStrategy(spec.updateStrategy ?? {}, 'spec.updateStrategy'),
    ...validateNonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
  ];
}

function validateSelected({ selector, template }: Partial<DaemonSet['spec']>): FieldError[] {
  const labels = template?.metadata?.labels;
  const errors: FieldError[] = [];
  // An absent selector selects nothing. A malformed selector has been reported above.
  if (selector === undefined || selectorMatches(selector, labels) === false)
    errors.push(invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  const { matchLabels = {}, matchExpressions = [] } = selector ?? { matchLabels: { none: '' } };
  if (Object.keys(matchLabels).length + matchExpressions.length === 0)
    errors.push(invalidValue('spec.selector', selector, 'empty selector is invalid for daemonset'));
  return errors;
}

function validateStrategy({ type = '', rollingUpdate }: DaemonSetUpdateStrategy, path: string): FieldError[] {
  if (type === 'OnDelete') return [];
  if (type === 'RollingUpdate')
    return rollingUpdate === undefined
      ? [required(`${path}.rollingUpdate`)]
      : validateRollingUpdate(rollingUpdate, `${path}.rollingUpdate`);
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {};
  const RollingUpdate = rollingUpdate === undefined ? null : { MaxUnavailable: maxUnavailable, MaxSurge: maxSurge };
  return [notSupported(path, { Type: type, RollingUpdate }, ['RollingUpdate', 'OnDelete'])];
}

function validateRollingUpdate({ maxUnavailable = 0, maxSurge = 0 }: RollingUpdateDaemonSet, path: string): FieldError[] {
  const errors = [
    ...validateIntOrPercent(maxUnavailable, `${path}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${path}.maxSurge`),
    ...validateAtMostAll(maxUnavailable, `${path}.maxUnavailable`),
    ...validateAtMostAll(maxSurge, `${path}.maxSurge`),
  ];
  const [hasUnavailable, hasSurge] = [numberOf(maxUnavailable) !== 0, numberOf(maxSurge) !== 0];
  if (hasUnavailable && hasSurge)
    errors.push(invalidValue(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  if (!hasUnavailable && !hasSurge) errors.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  return errors;
}

const counts = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
  'collisionCount',
] as const;

/** Problems of a written status: counts must not be negative. */
export function validateDaemonSetStatus({ status }: DaemonSet, old: DaemonSet): FieldError[] {
  return [
    ...counts.flatMap((name) => validateNonNegative(status?.[name], `status.${name}`)),
    ...validateCollisions(status?.collisionCount, old.status?.collisionCount),
  ];
}
