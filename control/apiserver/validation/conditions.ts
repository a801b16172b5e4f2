/** Conditions of any object. Source: apimachinery `pkg/apis/meta/v1/validation/validation.go` (ValidateConditions). */
import { duplicate, type FieldError, invalidValue, notSupported, required, tooLong } from '#api/field-error.ts';
import { validateLabelName } from '#api/labels.ts';
import type { Condition } from '#api/types.generated.ts';
import type { Submitted } from './submitted.ts';

const maxReasonBytes = 1024;
const maxMessageBytes = 32 * 1024;
const statuses = ['False', 'True', 'Unknown'];
const reasonPattern = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const reasonText =
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
const examples = ['my_name', 'MY_NAME', 'MyName', 'ReasonA,ReasonB', 'ReasonA:ReasonB'].map((one) => `'${one}'`).join(',  or ');

/** Each type once, and all that makes a condition. */
export function validateMetaConditions(conditions: readonly Submitted<Condition>[], path: string): FieldError[] {
  const types = new Set<string>();
  return conditions.flatMap((condition, index) => {
    const at = `${path}[${index}]`;
    const { type = '' } = condition;
    const errors: FieldError[] = types.has(type) ? [duplicate(`${at}.type`, type)] : [];
    types.add(type);
    return [...errors, ...validateCondition(condition, at)];
  });
}

function validateCondition(condition: Submitted<Condition>, path: string): FieldError[] {
  const { type = '', status = '', observedGeneration = 0, lastTransitionTime, reason = '', message = '' } = condition;
  return [
    ...validateLabelName(type, `${path}.type`),
    ...(statuses.includes(status) ? [] : [notSupported(`${path}.status`, status, statuses)]),
    ...(observedGeneration < 0
      ? [invalidValue(`${path}.observedGeneration`, observedGeneration, 'must be greater than or equal to zero')]
      : []),
    ...(lastTransitionTime ? [] : [required(`${path}.lastTransitionTime`)]),
    ...validateReason(reason, `${path}.reason`),
    ...(Buffer.byteLength(message) > maxMessageBytes ? [tooLong(`${path}.message`, maxMessageBytes)] : []),
  ];
}

function validateReason(reason: string, path: string): FieldError[] {
  if (reason === '') return [required(path)];
  const isLong = Buffer.byteLength(reason) > maxReasonBytes;
  const text = `${reasonText} (e.g. ${examples}, regex used for validation is '${reasonPattern}')`;
  return [
    ...(/^[A-Za-z](?:[A-Za-z0-9_,:]*[A-Za-z0-9_])?$/.test(reason) ? [] : [invalidValue(path, reason, text)]),
    ...(isLong ? [tooLong(path, maxReasonBytes)] : []),
  ];
}
