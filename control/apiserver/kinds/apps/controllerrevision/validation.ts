/** ControllerRevisions. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import { type FieldError, required } from '#api/field-error.ts';
import { isJsonObject } from '#api/json.ts';
import type { ControllerRevision } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';

/** Problems of a revision. @param old undefined on create. The data is checked only then, because no update may change it. */
export function validateControllerRevision(
  { revision, data }: ControllerRevision,
  old: ControllerRevision | undefined,
): FieldError[] {
  const errors = validateNonNegative(revision, 'revision');
  if (old !== undefined) return errors;
  if (data === undefined || data === null) return [...errors, required('data', 'data is mandatory')];
  return isJsonObject(data) ? errors : [...errors, required('data', 'data must be a valid JSON object')];
}
