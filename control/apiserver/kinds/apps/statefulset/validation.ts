/** StatefulSets. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { validateAnnotations, validateLabelSelector, validateLabels } from '#api/labels.ts';
import { isDns1123Label } from '#api/names.ts';
import type { PodTemplateSpec, StatefulSet, StatefulSetSpec } from '#api/types.generated.ts';
import { numberOf, validateAtMostAll, validateIntOrPercent } from '../../../validation/int-or-percent.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import { selectorMatches, validateLasting, validateTemplate } from '../../../validation/pod-spec/pod-template.ts';
import { validateCollisions, validateCounts } from '../../../validation/replica-counts.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { validateClaimSpec } from '../../core/persistentvolumeclaim/spec-validation.ts';
import { validatePodAnnotations } from '../../core/pod/annotations-validation.ts';

interface Skipped {
  serviceName: boolean;
  podTemplate: boolean;
  claims: boolean;
}

/** Problems of the whole spec, and of changes that no update may make. @param old undefined on create */
export function validateStatefulSet({ spec }: StatefulSet, old: StatefulSet | undefined): FieldError[] {
  if (old === undefined) return validateSpec(spec, { serviceName: false, podTemplate: false, claims: false });
  // On update, these are not checked again: serviceName and the claim templates cannot change, and a template that was stored
  // before it was checked may be invalid.
  const wasInvalid = validateSpec(old.spec, { serviceName: true, podTemplate: false, claims: true }).length > 0;
  const errors = validateSpec(spec, { serviceName: true, podTemplate: wasInvalid, claims: true });
  return semanticEqual(fixedPart(spec), fixedPart(old.spec)) ? errors : [...errors, forbiddenField('spec', fixedText)];
}

const fixedText =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

function fixedPart({
  replicas: _replicas,
  ordinals: _ordinals,
  template: _template,
  updateStrategy: _updateStrategy,
  revisionHistoryLimit: _revisionHistoryLimit,
  persistentVolumeClaimRetentionPolicy: _retention,
  minReadySeconds: _minReadySeconds,
  ...fixed
}: StatefulSetSpec): Partial<StatefulSetSpec> {
  return fixed;
}

function validateSpec(spec: StatefulSetSpec, skip: Skipped): FieldError[] {
  const { serviceName = '' } = spec;
  return [
    ...validateManagement(spec.podManagementPolicy ?? ''),
    ...validateStrategy(spec),
    ...validateRetention(spec),
    ...(skip.claims
      ? []
      : (spec.volumeClaimTemplates ?? []).flatMap((claim, index) =>
          validateClaimSpec(claim.spec, `spec.volumeClaimTemplates[${index}].spec`),
        )),
    ...validateNonNegative(spec.replicas, 'spec.replicas'),
    ...validateNonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateNonNegative(spec.ordinals?.start, 'spec.ordinals.start'),
    ...(skip.serviceName || serviceName === ''
      ? []
      : isDns1123Label(serviceName).map((text) => invalidValue('spec.serviceName', serviceName, text))),
    ...validateSelector(spec),
    ...validateSelected(spec, skip),
    ...validateLasting(spec.template, 'spec.template', 'StatefulSet'),
  ];
}

function validateManagement(policy: string): FieldError[] {
  if (policy === '') return [required('spec.podManagementPolicy')];
  if (policy === 'OrderedReady' || policy === 'Parallel') return [];
  return [invalidValue('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'")];
}

function validateStrategy({ updateStrategy = {} }: StatefulSetSpec): FieldError[] {
  const { type = '', rollingUpdate } = updateStrategy;
  const { partition = 0, maxUnavailable } = rollingUpdate ?? {};
  const path = 'spec.updateStrategy';
  const at = `${path}.rollingUpdate`;
  const shown = rollingUpdate === undefined ? null : { Partition: partition, MaxUnavailable: maxUnavailable ?? null };
  if (type === '') return [required(path)];
  if (type === 'OnDelete')
    return shown === null ? [] : [invalidValue(at, shown, "only allowed for updateStrategy 'RollingUpdate'")];
  if (type !== 'RollingUpdate')
    return [invalidValue(path, { Type: type, RollingUpdate: shown }, "must be 'RollingUpdate' or 'OnDelete'")];
  const errors = validateNonNegative(partition, `${at}.partition`);
  if (maxUnavailable === undefined) return errors;
  const field = `${at}.maxUnavailable`;
  return [
    ...errors,
    ...validateIntOrPercent(maxUnavailable, field),
    ...(numberOf(maxUnavailable) === 0 ? [invalidValue(field, maxUnavailable, 'cannot be 0')] : []),
    ...validateAtMostAll(maxUnavailable, field),
  ];
}

function validateRetention({ persistentVolumeClaimRetentionPolicy: policy }: StatefulSetSpec): FieldError[] {
  if (policy === undefined) return [];
  return (['whenDeleted', 'whenScaled'] as const).flatMap((when) => {
    const value = policy[when] ?? '';
    if (value === 'Retain' || value === 'Delete') return [];
    return [notSupported(`spec.persistentVolumeClaimRetentionPolicy.${when}`, value, ['Retain', 'Delete'])];
  });
}

function validateSelector({ selector }: Partial<StatefulSetSpec>): FieldError[] {
  if (selector === undefined) return [required('spec.selector')];
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const isEmpty = Object.keys(matchLabels).length + matchExpressions.length === 0;
  return [
    ...validateLabelSelector(selector, 'spec.selector'),
    ...(isEmpty ? [invalidValue('spec.selector', selector, 'empty selector is invalid for statefulset')] : []),
  ];
}

function validateSelected(spec: StatefulSetSpec, skip: Skipped): FieldError[] {
  const selector = (spec as Partial<StatefulSetSpec>).selector;
  const template = templateToValidate(spec);
  const { metadata = {}, spec: podSpec = { containers: [] } } = template;
  const path = 'spec.template';
  // An absent selector selects nothing.
  const matches = selector === undefined ? false : selectorMatches(selector, metadata.labels);
  if (matches === undefined) return [invalidValue('spec.selector', selector, '')];
  return [
    ...(matches ? [] : [invalidValue(`${path}.metadata.labels`, metadata.labels, '`selector` does not match template `labels`')]),
    ...(skip.podTemplate ? [] : validateTemplate(template, path)),
    // Upstream checks this part twice, so its answer lists these causes twice.
    ...validateLabels(metadata.labels, `${path}.labels`),
    ...validateAnnotations(metadata.annotations, `${path}.annotations`),
    ...validatePodAnnotations(metadata.annotations ?? {}, podSpec, `${path}.annotations`),
  ];
}

/**
 * The pod template as it is checked: with the claim templates as volumes, as the controller adds them, and without the fields
 * that the controller sets for each pod.
 */
function templateToValidate({ template, volumeClaimTemplates = [] }: StatefulSetSpec): PodTemplateSpec {
  if (template.spec === undefined) return template;
  const { subdomain: _subdomain, hostname: _hostname, ...spec } = template.spec;
  if (volumeClaimTemplates.length === 0) return { ...template, spec };
  const names = new Set(volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? ''));
  const claims = [...names].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  const others = (spec.volumes ?? []).filter(({ name }) => !names.has(name));
  return { ...template, spec: { ...spec, volumes: [...claims, ...others] } };
}

/** Problems of a written status: no count is negative, and no part (ready, updated, …) is larger than the whole. */
export function validateStatefulSetStatus({ status = { replicas: 0 } }: StatefulSet, old: StatefulSet): FieldError[] {
  const parts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'] as const;
  const fields = ['replicas', ...parts, 'observedGeneration', 'collisionCount'] as const;
  return [
    ...validateCounts(status, fields, parts, 'status.readyReplicas'),
    ...validateCollisions(status.collisionCount, old.status?.collisionCount),
  ];
}
