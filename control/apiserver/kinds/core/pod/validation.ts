/** A pod on creation and update. Source: upstream `pkg/apis/core/validation/validation.go`. */

import type { Check, FieldError } from '#api/field-error.ts';
import { allErrors, forbiddenField, invalidValue, required } from '#api/field-error.ts';
import { inclusiveRangeText, nameIsDnsSubdomain } from '#api/names.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '#api/object-meta.ts';
import { ownValue } from '#api/own-value.ts';
import { mirrorAnnotation } from '#api/pod/annotations.ts';
import type { Container, Pod, PodSpec, Toleration } from '#api/types.generated.ts';
import { sizeOf } from '../../../cache/object-size.ts';
import { validateImageSpaces } from '../../../validation/pod-spec/containers.ts';
import { podSpecChecks } from '../../../validation/pod-spec/pod-spec.ts';
import { validateTolerations } from '../../../validation/pod-spec/scheduling.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { unifiedDiff } from '../../../validation/unified-diff.ts';
import { validatePodAnnotations, validatePodAnnotationUpdates } from './annotations-validation.ts';
import { allowGatedChanges } from './gated-update.ts';
import { validateProfilesMatch } from './profile-annotations.ts';

const MAX_INT32 = 2 ** 31 - 1;

/** With more values than this, an error shows no diff: its text would be as long as both specs. */
const maxDiffValues = 10_000;

const updatableFields = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
];

/** Problems of an updated pod that do not depend on what it was before. */
export function validateMetaAndSpec(pod: Pod): FieldError[] {
  const rules = { namespaced: true, name: nameIsDnsSubdomain };
  return [...validateObjectMeta(pod.metadata, rules), ...allErrors(annotationAndSpecChecks(pod))];
}

function annotationAndSpecChecks(pod: Pod): Check[] {
  const { metadata, spec } = pod;
  return [
    () => validatePodAnnotations(metadata.annotations ?? {}, spec, 'metadata.annotations'),
    ...podSpecChecks(spec, 'spec', true),
    () => validateTokensAndImages(pod),
  ];
}

function validateTokensAndImages({ spec }: Pod): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.serviceAccountName) {
    spec.volumes?.forEach(({ projected }, volume) => {
      projected?.sources?.forEach(({ serviceAccountToken }, source) => {
        if (serviceAccountToken === undefined) return;
        const at = `spec.volumes[${volume}].projected.sources[${source}].serviceAccountToken`;
        errors.push(forbiddenField(at, 'must not be specified when serviceAccountName is not set'));
      });
    });
  }
  for (const list of ['containers', 'initContainers'] as const) {
    spec[list]?.forEach(({ image }, index) => errors.push(...validateImageSpaces(image, `spec.${list}[${index}].image`)));
  }
  return errors;
}

/** What is wrong with a new pod, besides its metadata. */
export const podChecks = (pod: Pod): Check[] => [...annotationAndSpecChecks(pod), () => validateNewPod(pod)];

function validateNewPod(pod: Pod): FieldError[] {
  const errors: FieldError[] = [];
  if ((pod.spec.ephemeralContainers ?? []).length > 0)
    errors.push(forbiddenField('spec.ephemeralContainers', 'cannot be set on create'));
  if (pod.spec.nodeName && (pod.spec.schedulingGates ?? []).length > 0) {
    errors.push(forbiddenField('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'));
  }
  return [...errors, ...validateProfilesMatch(pod)];
}

/** Problems of an update. Only images, additional tolerations, a shorter deadline and fewer gates are allowed. */
export function podUpdateChecks(pod: Pod, old: Pod): Check[] {
  let isOver = false;
  return [
    () => validateObjectMeta(pod.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
    ...annotationAndSpecChecks(pod),
    () => {
      const { errors, stop } = validateListsAndDeadline(pod, old);
      isOver = stop;
      return errors;
    },
    () => (isOver ? [] : validateTolerationUpdate(pod.spec.tolerations ?? [], old.spec.tolerations ?? [])),
    () => (isOver ? [] : validateGateUpdate(pod.spec, old.spec)),
    () => (isOver ? [] : validateImmutableSpec(pod.spec, old.spec)),
  ];
}

/** The checks before the comparison of specs. @returns `stop`: upstream checks nothing further */
function validateListsAndDeadline(pod: Pod, old: Pod): { errors: FieldError[]; stop: boolean } {
  const errors = validatePodAnnotationUpdates(pod, old, 'metadata.annotations');
  for (const list of ['containers', 'initContainers'] as const) {
    const [news, olds] = [pod.spec[list] ?? [], old.spec[list] ?? []];
    if (news.length !== olds.length)
      return { errors: [...errors, forbiddenField(`spec.${list}`, 'pod updates may not add or remove containers')], stop: true };
    news.forEach(({ image }, index) => {
      if (!image) errors.push(required(`spec.${list}[${index}].image`));
      errors.push(...validateImageSpaces(image, `spec.${list}[${index}].image`));
    });
  }
  const { errors: deadlineErrors, stop } = validateDeadlineUpdate(pod.spec.activeDeadlineSeconds, old.spec.activeDeadlineSeconds);
  return { errors: [...errors, ...deadlineErrors], stop };
}

function validateDeadlineUpdate(now: number | undefined, before: number | undefined): { errors: FieldError[]; stop: boolean } {
  const path = 'spec.activeDeadlineSeconds';
  if (now === undefined) {
    const removed =
      before === undefined ? [] : [invalidValue(path, null, 'must not update from a positive integer to nil value')];
    return { errors: removed, stop: false };
  }
  if (now < 0 || now > MAX_INT32) return { errors: [invalidValue(path, now, inclusiveRangeText(0, MAX_INT32))], stop: true };
  if (before === undefined || before >= now) return { errors: [], stop: false };
  return { errors: [invalidValue(path, now, 'must be less than or equal to previous value')], stop: true };
}

function validateTolerationUpdate(now: readonly Toleration[], before: readonly Toleration[]): FieldError[] {
  const path = 'spec.tolerations';
  const identity = ({ key, operator, value, effect }: Toleration): string =>
    JSON.stringify([key ?? '', operator ?? '', value ?? '', effect ?? '']);
  const present = new Set(now.map(identity));
  const kept = before.every((old) => present.has(identity(old)));
  if (!kept) return [forbiddenField(path, 'existing toleration can not be modified except its tolerationSeconds')];
  return validateTolerations(now, path);
}

function validateGateUpdate({ schedulingGates: now = [] }: PodSpec, { schedulingGates: before = [] }: PodSpec): FieldError[] {
  const known = new Set(before.map(({ name }) => name));
  return now.flatMap(({ name }, index) => {
    if (known.has(name)) return [];
    const text = `only deletion is allowed, but found new scheduling gate '${name}'`;
    return [forbiddenField(`spec.schedulingGates[${index}].name`, text)];
  });
}

function validateImmutableSpec(spec: PodSpec, old: PodSpec): FieldError[] {
  if (semanticEqual(spec, old)) return [];
  const munged: PodSpec = {
    ...spec,
    containers: withImagesOf(spec.containers, old.containers),
    initContainers: spec.initContainers && withImagesOf(spec.initContainers, old.initContainers ?? []),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    schedulingGates: old.schedulingGates,
    tolerations: old.tolerations,
  };
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1) {
    munged.terminationGracePeriodSeconds = old.terminationGracePeriodSeconds;
  }
  const errors: FieldError[] = [];
  if ((old.schedulingGates ?? []).length > 0) errors.push(...allowGatedChanges(munged, old));
  if (semanticEqual(munged, old)) return errors;
  const isShown = sizeOf(old).values + sizeOf(munged).values <= maxDiffValues;
  const diff = isShown ? unifiedDiff(old, sortedLike(munged, old)) : '…\n';
  const text = `pod updates may not change fields other than ${updatableFields.join(',')}\n${diff}`;
  return [...errors, forbiddenField('spec', text)];
}

const withImagesOf = (containers: readonly Container[], olds: readonly Container[]): Container[] =>
  containers.map((container, index) => ({ ...container, image: olds[index]?.image }));

/** The same value with its fields in the order of `model`, so that the diff shows only real changes. */
function sortedLike(value: unknown, model: unknown): unknown {
  if (Array.isArray(value)) return value.map((item, index) => sortedLike(item, Array.isArray(model) ? model[index] : undefined));
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Record<string, unknown>;
  const modelled = (typeof model === 'object' && model !== null ? model : {}) as Record<string, unknown>;
  const keys = [
    ...Object.keys(modelled).filter((key) => ownValue(fields, key) !== undefined),
    ...Object.keys(fields).filter((key) => !Object.hasOwn(modelled, key)),
  ];
  return Object.fromEntries(keys.map((key) => [key, sortedLike(ownValue(fields, key), ownValue(modelled, key))]));
}

/** Problems of a write of `pods/ephemeralcontainers`: containers may be added; those that are there cannot change. */
export function validateEphemeralContainersUpdate(pod: Pod, old: Pod): FieldError[] {
  if (old.metadata.annotations?.[mirrorAnnotation] !== undefined) {
    return [forbiddenField('[]', 'static pods do not support ephemeral containers')];
  }
  const errors = [
    ...validateObjectMetaUpdate(pod.metadata, old.metadata),
    ...validateMetaAndSpec(pod),
    ...validatePodAnnotationUpdates(pod, old, 'metadata.annotations'),
  ];
  const path = 'spec.ephemeralContainers';
  const byName = new Map((pod.spec.ephemeralContainers ?? []).toReversed().map((container) => [container.name, container]));
  for (const before of old.spec.ephemeralContainers ?? []) {
    const now = byName.get(before.name);
    const quoted = JSON.stringify(before.name);
    if (now === undefined) errors.push(forbiddenField(path, `existing ephemeral containers ${quoted} may not be removed\n`));
    else if (!semanticEqual(now, before)) {
      const text = `existing ephemeral containers ${quoted} may not be changed\n${unifiedDiff(before, sortedLike(now, before))}`;
      errors.push(forbiddenField(path, text));
    }
  }
  return errors;
}
