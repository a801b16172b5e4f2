/**
 * Shared validation of claims, classes and slices.
 *
 * Source: upstream `pkg/apis/resource/validation/validation.go`.
 */
import { compileDeviceSelector, DeviceSelectorError, maxSelectorCost } from '#api/dra/device-cel.ts';
import {
  type Check,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '#api/field-error.ts';
import { stringifyExact } from '#api/int64.ts';
import { isJsonObject } from '#api/json.ts';
import { validateLabelName } from '#api/labels.ts';
import { isValidLabelValue } from '#api/names.ts';
import type { DeviceSelector, DeviceTaint, DeviceToleration, OpaqueDeviceConfiguration } from '#api/types.generated.ts';
import { validateList } from '../../validation/lists.ts';
import type { Submitted } from '../../validation/submitted.ts';
import { validateDriverName } from './names.ts';

const maxSelectors = 32;
const maxExpressionBytes = 10 * 1024;
const maxParameterBytes = 10 * 1024;
const maxBindingConditions = 4;
const taintEffects = ['NoExecute', 'NoSchedule', 'None'];
const tolerationOperators = ['Equal', 'Exists'];

/**
 * Validates device selectors, which are CEL expressions, and their number. Each selector is a separate check, because compiling a long
 * expression takes about ten milliseconds. Source: upstream `pkg/apis/resource/validation` (validateSelector).
 */
export function selectorChecks(selectors: readonly Submitted<DeviceSelector>[] = [], path: string): Check[] {
  if (selectors.length > maxSelectors) return [() => [tooMany(path, selectors.length, maxSelectors)]];
  return selectors.map((selector, index) => () => validateSelector(selector, `${path}[${index}]`));
}

function validateSelector({ cel }: Submitted<DeviceSelector>, path: string): FieldError[] {
  if (cel === undefined) return [required(`${path}.cel`)];
  const expression = cel.expression ?? '';
  const where = `${path}.cel.expression`;
  if (Buffer.byteLength(expression) > maxExpressionBytes) return [tooLong(where, maxExpressionBytes)];
  return validateExpression(expression, where);
}

function validateExpression(expression: string, path: string): FieldError[] {
  try {
    const { maxCost } = compileDeviceSelector(expression);
    return maxCost > maxSelectorCost ? [forbiddenField(path, 'too complex, exceeds cost limit')] : [];
  } catch (error) {
    if (error instanceof DeviceSelectorError) return [invalidValue(path, expression, error.message)];
    throw error;
  }
}

/** Validates a driver's configuration. @param stored whether it is unchanged: parameters that are too long then stay valid */
export function validateConfiguration(
  { opaque }: { opaque?: Submitted<OpaqueDeviceConfiguration> | undefined },
  path: string,
  stored = false,
): FieldError[] {
  if (opaque === undefined) return [required(`${path}.opaque`)];
  return [
    ...validateDriverName(opaque.driver, `${path}.opaque.driver`),
    ...validateRaw(opaque.parameters, `${path}.opaque.parameters`, stored ? undefined : maxParameterBytes),
  ];
}

/** Validates a raw JSON object. */
export function validateRaw(value: unknown, path: string, maxBytes: number | undefined): FieldError[] {
  if (value === undefined || value === null) return [required(path)];
  if (maxBytes !== undefined && Buffer.byteLength(stringifyExact(value)) > maxBytes) return [tooLong(path, maxBytes)];
  return isJsonObject(value) ? [] : [invalidValue(path, '<value omitted>', 'must be a valid JSON object')];
}

const validateLabelValue = (value: string, path: string): FieldError[] =>
  isValidLabelValue(value).map((text) => invalidValue(path, value, text));

/** Validates a device's taint. Source: upstream `pkg/apis/resource/validation` (validateDeviceTaint). */
export function validateTaint({ key = '', value = '', effect = '' }: Submitted<DeviceTaint>, path: string): FieldError[] {
  return [
    ...validateLabelName(key, `${path}.key`),
    ...(value === '' ? [] : validateLabelValue(value, `${path}.value`)),
    ...(effect === '' ? [required(`${path}.effect`)] : validateEffect(effect, `${path}.effect`)),
  ];
}

const validateEffect = (effect: string, path: string): FieldError[] =>
  taintEffects.includes(effect) ? [] : [notSupported(path, effect, taintEffects)];

/** Validates a request's toleration of device taints. Source: upstream `pkg/apis/resource/validation` (validateDeviceToleration). */
export function validateToleration(toleration: Submitted<DeviceToleration>, path: string): FieldError[] {
  const { key = '', operator = '', value = '', effect = '' } = toleration;
  return [
    ...(key === '' ? [] : validateLabelName(key, `${path}.key`)),
    ...validateOperator(operator, value, path),
    ...(effect === '' ? [] : validateEffect(effect, `${path}.effect`)),
  ];
}

function validateOperator(operator: string, value: string, path: string): FieldError[] {
  switch (operator) {
    case 'Exists':
      return value === '' ? [] : [invalidValue(`${path}.value`, value, 'must be empty for operator `Exists`')];
    case 'Equal':
      return validateLabelValue(value, `${path}.value`);
    case '':
      return [required(`${path}.operator`)];
    default:
      return [notSupported(`${path}.operator`, operator, tolerationOperators)];
  }
}

/** Validates binding conditions and binding failure conditions. Both or none must be set. */
export function validateBindingConditions(
  bind: readonly string[] | undefined,
  fail: readonly string[] | undefined,
  path: string,
): FieldError[] {
  const [bindAt, failAt] = [`${path}.bindingConditions`, `${path}.bindingFailureConditions`];
  const errors = [
    ...validateList(bind ?? [], maxBindingConditions, bindAt, validateLabelName),
    ...validateList(fail ?? [], maxBindingConditions, failAt, validateLabelName),
    ...repeated(bind ?? [], bindAt, new Set()),
    ...repeated(fail ?? [], failAt, new Set(bind)),
  ];
  const isBound = (bind ?? []).length > 0;
  if (isBound === (fail ?? []).length > 0) return errors;
  return isBound
    ? [...errors, invalidValue(failAt, fail, 'bindingFailureConditions are required to use bindingConditions')]
    : [...errors, invalidValue(bindAt, bind, 'bindingConditions are required to use bindingFailureConditions')];
}

function repeated(conditions: readonly string[], path: string, others: ReadonlySet<string>): FieldError[] {
  const seen = new Set<string>();
  return conditions.flatMap((condition, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = seen.has(condition) ? [duplicate(at, condition)] : [];
    seen.add(condition);
    const text = 'bindingFailureConditions must not overlap with bindingConditions';
    return others.has(condition) ? [...errors, invalidValue(at, condition, text)] : errors;
  });
}
