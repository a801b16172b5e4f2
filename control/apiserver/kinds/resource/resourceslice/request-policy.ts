/**
 * Validation of request policies: how much of a capacity one allocation may take. Source: upstream
 * `pkg/apis/resource/validation/validation.go`; KEP-5075.
 */
import { type FieldError, forbiddenField, invalidValue, required } from '#api/field-error.ts';
import type { Quantity } from '#api/json.ts';
import { addQuantity, canonicalQuantity, compareQuantity, formatQuantity, wholeUnits } from '#api/quantity.ts';
import type { CapacityRequestPolicy, CapacityRequestPolicyRange } from '#api/types.generated.ts';
import { validateSet } from '../../../validation/lists.ts';
import type { Submitted } from '../../../validation/submitted.ts';

const maxOptions = 10;

/** Validates a request policy. @param capacity the device's whole capacity */
export function validateRequestPolicy(capacity: Quantity, policy: CapacityRequestPolicy, path: string): FieldError[] {
  const { default: byDefault, validValues = [], validRange } = policy;
  if (validValues.length > 0) {
    if (validRange !== undefined) {
      const text = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time';
      return [forbiddenField(path, text)];
    }
    if (byDefault === undefined) return [required(`${path}.default`, 'required when validValues is defined')];
    return validateOptions(byDefault, capacity, validValues, `${path}.validValues`);
  }
  if (validRange === undefined) return [];
  if (byDefault === undefined) return [required(`${path}.default`, 'required when validRange is defined')];
  return validateRange(byDefault, capacity, validRange, `${path}.validRange`);
}

const isLess = (a: Quantity, b: Quantity): boolean => compareQuantity(a, b) < 0;

function validateOptions(byDefault: Quantity, capacity: Quantity, options: readonly Quantity[], path: string): FieldError[] {
  const unsorted = options.flatMap((option, index) => {
    const before = options[index - 1];
    if (before === undefined || !isLess(option, before)) return [];
    return [invalidValue(`${path}[${index}]`, canonicalQuantity(option), 'values must be sorted in ascending order')];
  });
  const checkOption = (option: Quantity, at: string): FieldError[] => {
    const text = `option is larger than capacity value: ${canonicalQuantity(capacity)}`;
    return isLess(capacity, option) ? [invalidValue(at, canonicalQuantity(option), text)] : [];
  };
  const isOption = options.length <= maxOptions && options.some((option) => compareQuantity(option, byDefault) === 0);
  const text = 'default value is not valid according to the requestPolicy';
  return [
    ...unsorted,
    ...validateSet(options, maxOptions, path, checkOption, (option) => `${wholeUnits(option)}`),
    ...(isOption ? [] : [invalidValue(path, canonicalQuantity(byDefault), text)]),
  ];
}

function validateRange(
  byDefault: Quantity,
  capacity: Quantity,
  { min, max, step }: Submitted<CapacityRequestPolicyRange>,
  path: string,
): FieldError[] {
  if (min === undefined) return [required(`${path}.min`, 'required when validRange is defined')];
  const [least, whole] = [canonicalQuantity(min), canonicalQuantity(capacity)];
  const errors: FieldError[] = [];
  const refuse = (field: string, value: Quantity, text: string): void => {
    errors.push(invalidValue(`${path}.${field}`, canonicalQuantity(value), text));
  };
  if (isLess(capacity, min)) refuse('min', min, `min is larger than capacity value: ${whole}`);
  if (isLess(byDefault, min)) refuse('min', byDefault, `default is less than min: ${least}`);
  if (max !== undefined) {
    if (isLess(max, min)) refuse('max', min, `min is larger than max: ${canonicalQuantity(max)}`);
    if (isLess(capacity, max)) refuse('max', max, `max is larger than capacity value: ${whole}`);
    if (isLess(max, byDefault)) refuse('max', byDefault, `default is more than max: ${canonicalQuantity(max)}`);
  }
  if (step === undefined) return errors;
  const first = formatQuantity(addQuantity(min, step));
  if (isLess(capacity, first)) refuse('step', step, `one step ${first} is larger than capacity value: ${whole}`);
  for (const value of max === undefined ? [byDefault] : [byDefault, max])
    if (!isStep(value, min, step))
      refuse('step', value, `value is not a multiple of a given step (${canonicalQuantity(step)}) from (${least})`);
  return errors;
}

/** Whether the value is `min` plus a multiple of `step`. Upstream divides by zero when the step is zero; here the result is false. */
function isStep(value: Quantity, min: Quantity, step: Quantity): boolean {
  const units = wholeUnits(step);
  return units !== 0n && (wholeUnits(value) - wholeUnits(min)) % units === 0n;
}
