/** Deployments and ReplicaSets. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { IntOrString } from '#api/json.ts';
import { isValidPercent, nameIsDnsSubdomain } from '#api/names.ts';
import type { Deployment, DeploymentStrategy, ReplicaSet } from '#api/types.generated.ts';
import { validateImmutable, validateObjectMeta, validateObjectMetaUpdate } from './object-meta.ts';
import { validateNonNegative } from './paths.ts';
import { validateSelectorAndTemplate } from './pod-spec/pod-template.ts';

const rules = { namespaced: true, name: nameIsDnsSubdomain };

export function validateDeployment(deployment: Deployment): FieldError[] {
  return [...validateObjectMeta(deployment.metadata, rules), ...validateDeploymentSpec(deployment)];
}

export function validateDeploymentUpdate(deployment: Deployment, old: Deployment): FieldError[] {
  return [
    ...validateObjectMetaUpdate(deployment.metadata, old.metadata),
    ...validateDeploymentSpec(deployment),
    ...validateImmutable(deployment.spec.selector, old.spec.selector, 'spec.selector'),
  ];
}

function validateDeploymentSpec({ spec }: Deployment): FieldError[] {
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec;
  const errors = [
    ...validateNonNegative(spec.replicas, 'spec.replicas'),
    ...validateSelectorAndTemplate(spec.selector, spec.template ?? {}, 'spec'),
    ...validateStrategy(spec.strategy ?? {}, 'spec.strategy'),
    ...validateNonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateNonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...validateNonNegative(deadline, 'spec.progressDeadlineSeconds'),
  ];
  if (deadline !== undefined && deadline <= minReadySeconds) {
    errors.push(invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  }
  return errors;
}

function validateStrategy({ type = '', rollingUpdate }: DeploymentStrategy, path: string): FieldError[] {
  const at = `${path}.rollingUpdate`;
  if (type === 'Recreate') {
    return rollingUpdate === undefined ? [] : [forbiddenField(at, "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (type !== 'RollingUpdate') {
    const shown = { Type: type, RollingUpdate: rollingUpdate === undefined ? null : goRollingUpdate(rollingUpdate) };
    return [notSupported(path, shown, ['Recreate', 'RollingUpdate'])];
  }
  if (rollingUpdate === undefined) return [required(at, 'this should be defaulted and never be nil')];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const errors = [
    ...validateIntOrPercent(maxUnavailable, `${at}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${at}.maxSurge`),
  ];
  if (numberOf(maxUnavailable) === 0 && numberOf(maxSurge) === 0) {
    errors.push(invalidValue(`${at}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  const percent = isPercent(maxUnavailable) ? numberOf(maxUnavailable) : 0;
  if (percent > 100) errors.push(invalidValue(`${at}.maxUnavailable`, maxUnavailable, 'must not be greater than 100%'));
  return errors;
}

const goRollingUpdate = ({
  maxUnavailable = 0,
  maxSurge = 0,
}: {
  maxUnavailable?: IntOrString | undefined;
  maxSurge?: IntOrString | undefined;
}) => ({
  MaxUnavailable: maxUnavailable,
  MaxSurge: maxSurge,
});

const isPercent = (value: IntOrString): boolean => typeof value === 'string' && isValidPercent(value).length === 0;

/** Text that is no percentage counts as zero, as Go's Atoi-or-zero makes it. */
function numberOf(value: IntOrString): number {
  if (typeof value === 'number') return value;
  return Number(/^(\d+)%?$/.exec(value)?.[1] ?? 0);
}

function validateIntOrPercent(value: IntOrString, path: string): FieldError[] {
  if (typeof value === 'number') return validateNonNegative(value, path);
  return isValidPercent(value).map((text) => invalidValue(path, value, text));
}

type Counts<Field extends string> = Partial<
  Record<Field | 'replicas' | 'readyReplicas' | 'availableReplicas', number | undefined>
>;

/** Parts are not more than the whole. */
function validateCounts<Field extends string>(
  status: Counts<Field>,
  fields: readonly Field[],
  parts: readonly Field[],
): FieldError[] {
  const replicas = status.replicas ?? 0;
  const errors = fields.flatMap((field) => validateNonNegative(status[field], `status.${field}`));
  for (const field of parts) {
    const count = status[field] ?? 0;
    if (count > replicas) errors.push(invalidValue(`status.${field}`, count, 'cannot be greater than status.replicas'));
  }
  const available = status.availableReplicas ?? 0;
  if (available > (status.readyReplicas ?? 0)) {
    errors.push(invalidValue('status.availableReplicas', available, 'cannot be greater than readyReplicas'));
  }
  return errors;
}

export function validateDeploymentStatusUpdate(deployment: Deployment, old: Deployment): FieldError[] {
  const status = deployment.status ?? {};
  const errors = [
    ...validateObjectMetaUpdate(deployment.metadata, old.metadata),
    ...validateCounts(
      status,
      [
        'observedGeneration',
        'replicas',
        'updatedReplicas',
        'readyReplicas',
        'availableReplicas',
        'unavailableReplicas',
        'terminatingReplicas',
        'collisionCount',
      ],
      ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
    ),
  ];
  const before = old.status?.collisionCount;
  if (before !== undefined && (status.collisionCount ?? -1) < before) {
    errors.push(invalidValue('status.collisionCount', status.collisionCount ?? 0, 'cannot be decremented'));
  }
  return errors;
}

export function validateReplicaSet(set: ReplicaSet): FieldError[] {
  return [...validateObjectMeta(set.metadata, rules), ...validateReplicaSetSpec(set)];
}

export function validateReplicaSetUpdate(set: ReplicaSet, old: ReplicaSet): FieldError[] {
  return [
    ...validateObjectMetaUpdate(set.metadata, old.metadata),
    ...validateReplicaSetSpec(set),
    ...validateImmutable(set.spec.selector, old.spec.selector, 'spec.selector'),
  ];
}

function validateReplicaSetSpec({ spec }: ReplicaSet): FieldError[] {
  return [
    ...validateNonNegative(spec.replicas, 'spec.replicas'),
    ...validateNonNegative(spec.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelectorAndTemplate(spec.selector, spec.template ?? {}, 'spec'),
  ];
}

export function validateReplicaSetStatusUpdate(set: ReplicaSet, old: ReplicaSet): FieldError[] {
  return [
    ...validateObjectMetaUpdate(set.metadata, old.metadata),
    ...validateCounts(
      set.status ?? {},
      ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration', 'terminatingReplicas'],
      ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
    ),
  ];
}
