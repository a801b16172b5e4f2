/** ControllerRevisions. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import { type FieldError, required } from '#api/field-error.ts';
import { isJsonObject } from '#api/json.ts';
import type { ControllerRevision } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';

/** @param old undefined on create: only then the data is looked at, which no update may change */
export function validateControllerRevision(
  { revision, data }: ControllerRevision,
  old: ControllerRevision | undefined,
): FieldError[] {
  const errors = validateNonNegative(revision, 'revision');
  if (old !== undefined) return errors;
  if (data === undefined || data === null) return [...errors, required('data', 'data is mandatory')];
  return isJsonObject(data) ? errors : [...errors, required('data', 'data must be a valid JSON object')];
}
