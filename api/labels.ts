/**
 * Validation of labels, annotations and label selectors inside objects, with upstream's paths and texts.
 *
 * Source: apimachinery `pkg/apis/meta/v1/validation` and `pkg/api/validation/objectmeta.go`.
 */
import type { FieldError } from './field-error.ts';
import { forbiddenField, invalidValue, required, tooLong } from './field-error.ts';
import { isQualifiedName, isValidLabelValue } from './names.ts';
import type { LabelSelector, LabelSelectorRequirement } from './types.generated.ts';

type StringMap = Record<string, string> | undefined;

/** Limit of the bytes of all annotation keys and values of an object together. */
const totalAnnotationBytes = 256 * 1024;

/** The errors of a label's key. */
export function validateLabelName(name: string, field: string): FieldError[] {
  return isQualifiedName(name).map((text) => invalidValue(field, name, text));
}

/** The errors of an object's labels. */
export function validateLabels(labels: StringMap, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of Object.keys(labels ?? {})) {
    const value = labels?.[key] ?? '';
    errors.push(...validateLabelName(key, field));
    errors.push(...isValidLabelValue(value).map((text) => invalidValue(field, value, text)));
  }
  return errors;
}

/**
 * The errors of an object's annotations. Keys are checked in lower case, as upstream does, so annotations may have an upper-case
 * prefix.
 */
export function validateAnnotations(annotations: StringMap, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of Object.keys(annotations ?? {}))
    for (const text of isQualifiedName(key.toLowerCase())) errors.push(invalidValue(field, key, text));
  return fitAnnotations(annotations) ? errors : [...errors, tooLong(field, totalAnnotationBytes)];
}

/** Whether all annotations together are within upstream's limit of 256 KiB. */
export function fitAnnotations(annotations: StringMap): boolean {
  let bytes = 0;
  for (const key of Object.keys(annotations ?? {})) bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations?.[key] ?? '');
  return bytes <= totalAnnotationBytes;
}

/**
 * The errors of a `LabelSelector` in an object's spec. An absent one is valid; each kind checks itself whether it is required.
 */
export function validateLabelSelector(selector: LabelSelector | undefined, field: string): FieldError[] {
  if (selector === undefined) return [];
  return [
    ...validateLabels(selector.matchLabels, `${field}.matchLabels`),
    ...(selector.matchExpressions ?? []).flatMap((each, index) =>
      validateLabelRequirement(each, `${field}.matchExpressions[${index}]`),
    ),
  ];
}

/** @param operators `any operator`: accepts unknown operators, which newer clients may send */
export function validateLabelRequirement(
  { key = '', operator = '', values = [] }: Partial<LabelSelectorRequirement>,
  field: string,
  operators: 'known operators' | 'any operator' = 'known operators',
): FieldError[] {
  const errors: FieldError[] = [];
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) errors.push(required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      errors.push(forbiddenField(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    }
  } else if (operators === 'known operators') {
    errors.push(invalidValue(`${field}.operator`, operator, 'not a valid selector operator'));
  }
  errors.push(...validateLabelName(key, `${field}.key`));
  values.forEach((value, index) => {
    errors.push(...isValidLabelValue(value).map((text) => invalidValue(`${field}.values[${index}]`, value, text)));
  });
  return errors;
}
