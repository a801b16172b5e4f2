/** Tolerations, taints and topology spread. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, invalidValue, notSupported, required } from '#api/field-error.ts';
import { validateLabelName, validateLabelSelector } from '#api/labels.ts';
import { isValidLabelValue } from '#api/names.ts';
import type { Taint, Toleration, TopologySpreadConstraint } from '#api/types.generated.ts';
import { validatePositive } from '../paths.ts';
import { submitted } from '../submitted.ts';
import { validateMatchLabelKeys } from './affinity.ts';

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Problems of tolerations. Source: upstream `pkg/apis/core/validation` (ValidateTolerations). */
export function validateTolerations(tolerations: readonly Toleration[], path: string): FieldError[] {
  return tolerations.flatMap((toleration, index) => validateToleration(toleration, `${path}[${index}]`));
}

function validateToleration(
  { key = '', operator = '', value = '', effect = '', tolerationSeconds }: Toleration,
  path: string,
): FieldError[] {
  const errors = key === '' ? [] : validateLabelName(key, `${path}.key`);
  if (key === '' && operator !== 'Exists') {
    const text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
    errors.push(invalidValue(`${path}.operator`, operator, text));
  }
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    errors.push(invalidValue(`${path}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
  }
  if (operator === 'Equal' || operator === '') {
    const texts = isValidLabelValue(value);
    if (texts.length > 0) errors.push(invalidValue(`${path}.operator`, value, texts.join(';')));
  } else if (operator === 'Exists') {
    if (value !== '') errors.push(invalidValue(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'"));
  } else {
    // Lt and Gt are behind a gate that 1.36 leaves off; the message names them all the same.
    const comparison = operator === 'Lt' || operator === 'Gt';
    errors.push(notSupported(`${path}.operator`, operator, comparison ? ['Equal', 'Exists', 'Lt', 'Gt'] : ['Equal', 'Exists']));
  }
  if (effect !== '' && !effects.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, effects));
  return errors;
}

/** A node's taints: unique by key and effect. */
export function validateTaints(taints: readonly Taint[], path: string): FieldError[] {
  const seen = new Set<string>();
  return taints.flatMap((taint, index) => {
    const at = `${path}[${index}]`;
    const { key = '', value = '', effect = '' } = submitted(taint);
    const errors = validateLabelName(key, `${at}.key`);
    const texts = isValidLabelValue(value);
    if (texts.length > 0) errors.push(invalidValue(`${at}.value`, value, texts.join(';')));
    if (effect === '') errors.push(required(`${at}.effect`));
    else if (!effects.includes(effect)) errors.push(notSupported(`${at}.effect`, effect, effects));
    const id = `${effect} ${key}`;
    if (seen.has(id)) {
      const error = duplicate(at, { Key: key, Value: value, Effect: effect, TimeAdded: taint.timeAdded ?? null });
      errors.push({ ...error, message: `${error.message}: taints must be unique by key and effect pair` });
    }
    seen.add(id);
    return errors;
  });
}

/**
 * Problems of `topologySpreadConstraints`, and of two for one key. Source: upstream `pkg/apis/core/validation`
 * (validateTopologySpreadConstraints).
 */
export function validateTopologySpread(constraints: readonly TopologySpreadConstraint[], path: string): FieldError[] {
  const keyOf = ({ topologyKey, whenUnsatisfiable }: TopologySpreadConstraint): string =>
    JSON.stringify([topologyKey ?? '', whenUnsatisfiable ?? '']);
  const lastOf = new Map(constraints.map((constraint, index) => [keyOf(constraint), index]));
  return constraints.flatMap((constraint, index) => {
    const at = `${path}[${index}]`;
    const { topologyKey = '', whenUnsatisfiable: action = '', minDomains } = submitted(constraint);
    const errors = validatePositive(constraint.maxSkew, `${at}.maxSkew`);
    if (topologyKey === '') errors.push(required(`${at}.topologyKey`, 'can not be empty'));
    if (action !== 'DoNotSchedule' && action !== 'ScheduleAnyway') {
      errors.push(notSupported(`${at}.whenUnsatisfiable`, action, ['DoNotSchedule', 'ScheduleAnyway']));
    }
    if ((lastOf.get(keyOf(constraint)) ?? index) > index) {
      errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${action}}`));
    }
    if (minDomains !== undefined) {
      errors.push(...validatePositive(minDomains, `${at}.minDomains`));
      if (action !== 'DoNotSchedule') {
        const text = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`;
        errors.push(invalidValue(`${at}.minDomains`, minDomains, text));
      }
    }
    errors.push(...validateNodePolicy(constraint.nodeAffinityPolicy, `${at}.nodeAffinityPolicy`));
    errors.push(...validateNodePolicy(constraint.nodeTaintsPolicy, `${at}.nodeTaintsPolicy`));
    errors.push(...validateMatchLabelKeys(constraint.matchLabelKeys, undefined, constraint.labelSelector, at));
    return [...errors, ...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`)];
  });
}

function validateNodePolicy(policy: string | undefined, path: string): FieldError[] {
  return policy === undefined || policy === 'Honor' || policy === 'Ignore'
    ? []
    : [notSupported(path, policy, ['Honor', 'Ignore'])];
}
