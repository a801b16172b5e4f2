/** LimitRanges. Source: upstream `pkg/apis/core/validation/validation.go` (ValidateLimitRange). */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, invalidValue, required } from '#api/field-error.ts';
import type { Quantity } from '#api/json.ts';
import { isQualifiedName } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import { compareQuantity, canonicalQuantity as shown, toMillis } from '#api/quantity.ts';
import type { LimitRange, LimitRangeItem } from '#api/types.generated.ts';
import { containerResourceName, type NameRule, validateResourceName } from '../../../validation/pod-spec/resources.ts';
import { isOvercommitAllowed } from '../pod/resources.ts';

const standardTypes = ['Pod', 'Container', 'PersistentVolumeClaim'];

type Lists = 'max' | 'min' | 'default' | 'defaultRequest' | 'maxLimitRequestRatio';

/**
 * Problems of the limits: names, duplicates, min above max, ratios. Source: upstream `pkg/apis/core/validation`
 * (ValidateLimitRange).
 */
export function validateLimitRange({ spec }: LimitRange): FieldError[] {
  const types = new Set<string>();
  return (spec?.limits ?? []).flatMap((item, index) => {
    const path = `spec.limits[${index}]`;
    const type = item.type ?? '';
    const errors = validateType(type, `${path}.type`);
    if (types.has(type)) errors.push(duplicate(`${path}.type`, type));
    types.add(type);
    return [...errors, ...validateItem(item, path)];
  });
}

function validateType(type: string, path: string): FieldError[] {
  const errors = isQualifiedName(type).map((text) => invalidValue(path, type, text));
  if (errors.length > 0 || type.includes('/') || standardTypes.includes(type)) return errors;
  return [invalidValue(path, type, 'must be a standard limit type or fully qualified')];
}

function validateItem(item: LimitRangeItem, path: string): FieldError[] {
  const nameRule: NameRule = item.type === 'Pod' || item.type === 'Container' ? containerResourceName : validateResourceName;
  const named = (list: Lists): FieldError[] =>
    Object.keys(item[list] ?? {}).flatMap((name) => nameRule(name, `${path}.${list}[${name}]`));
  const errors = [...named('max'), ...named('min')];
  const counted: Lists[] = ['max', 'min', 'maxLimitRequestRatio'];
  if (item.type === 'Pod') {
    for (const list of ['default', 'defaultRequest'] as const)
      if (Object.keys(item[list] ?? {}).length > 0)
        errors.push(forbiddenField(`${path}.${list}`, "may not be specified when `type` is 'Pod'"));
  } else {
    errors.push(...named('default'), ...named('defaultRequest'));
    counted.push('default', 'defaultRequest');
  }
  const isUnbounded = ownValue(item.min, 'storage') === undefined && ownValue(item.max, 'storage') === undefined;
  if (item.type === 'PersistentVolumeClaim' && isUnbounded) {
    const why = 'either minimum or maximum storage value is required, but neither was provided';
    errors.push(required(`${path}.limits`, why));
  }
  errors.push(...named('maxLimitRequestRatio'));
  const names = new Set(counted.flatMap((list) => Object.keys(item[list] ?? {})));
  const valueOf = (list: Lists, name: string): Quantity | undefined =>
    counted.includes(list) ? ownValue(item[list], name) : undefined;
  for (const name of names) errors.push(...validateResource(name, (list) => valueOf(list, name), path));
  return errors;
}

/** Problems of the order among the values of one resource: min ≤ defaultRequest ≤ default ≤ max. */
function validateResource(name: string, valueOf: (list: Lists) => Quantity | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const words = { min: 'min', max: 'max', default: 'default', defaultRequest: 'default request' };
  type Ordered = keyof typeof words;
  const ordered = (low: Ordered, high: Ordered, at: Ordered, value: Ordered, highWord: string = words[high]): void => {
    const [smaller, larger] = [valueOf(low), valueOf(high)];
    if (smaller === undefined || larger === undefined || compareQuantity(smaller, larger) <= 0) return;
    const text = `${words[low]} value ${shown(smaller)} is greater than ${highWord} value ${shown(larger)}`;
    errors.push(invalidValue(`${path}.${at}[${name}]`, shown(valueOf(value) ?? 0), text));
  };
  ordered('min', 'max', 'min', 'min');
  ordered('min', 'defaultRequest', 'defaultRequest', 'defaultRequest');
  ordered('defaultRequest', 'max', 'defaultRequest', 'defaultRequest');
  ordered('defaultRequest', 'default', 'defaultRequest', 'defaultRequest', 'default limit');
  // Upstream reports the bound, not the default, as the wrong value.
  ordered('min', 'default', 'default', 'min');
  ordered('default', 'max', 'default', 'max');
  errors.push(...validateRatio(name, valueOf, path));
  const [limit, request] = [valueOf('default'), valueOf('defaultRequest')];
  if (!isOvercommitAllowed(name) && limit !== undefined && request !== undefined && compareQuantity(limit, request) !== 0) {
    const text = `default value ${shown(limit)} must equal to defaultRequest value ${shown(request)} in ${name}`;
    errors.push(invalidValue(`${path}.defaultRequest[${name}]`, shown(request), text));
  }
  return errors;
}

function validateRatio(name: string, valueOf: (list: Lists) => Quantity | undefined, path: string): FieldError[] {
  const ratio = valueOf('maxLimitRequestRatio');
  if (ratio === undefined) return [];
  const at = `${path}.maxLimitRequestRatio[${name}]`;
  const errors: FieldError[] = [];
  if (compareQuantity(ratio, 1) < 0) errors.push(invalidValue(at, shown(ratio), `ratio ${shown(ratio)} is less than 1`));
  const [min, max] = [valueOf('min'), valueOf('max')];
  if (min === undefined || max === undefined) return errors;
  const largest = toMillis(max) / toMillis(min);
  if (toMillis(ratio) / 1000 <= largest || Number.isNaN(largest)) return errors;
  return [...errors, invalidValue(at, shown(ratio), `ratio ${shown(ratio)} is greater than max/min = ${largest.toFixed(6)}`)];
}
