/** The counts of pods in the status of a workload. Source: upstream `pkg/apis/apps/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { validateNonNegative } from './paths.ts';

type Counts<Field extends string> = Partial<
  Record<Field | 'replicas' | 'readyReplicas' | 'availableReplicas', number | undefined>
>;

/**
 * No count is negative, and those of `parts` are not more than `status.replicas`.
 * @param readyText what the message calls the ready ones
 */
export function validateCounts<Field extends string>(
  status: Counts<Field>,
  fields: readonly Field[],
  parts: readonly Field[],
  readyText = 'readyReplicas',
): FieldError[] {
  const replicas = status.replicas ?? 0;
  const errors = fields.flatMap((field) => validateNonNegative(status[field], `status.${field}`));
  for (const field of parts) {
    const count = status[field] ?? 0;
    if (count > replicas) errors.push(invalidValue(`status.${field}`, count, 'cannot be greater than status.replicas'));
  }
  const available = status.availableReplicas ?? 0;
  if (available > (status.readyReplicas ?? 0)) {
    errors.push(invalidValue('status.availableReplicas', available, `cannot be greater than ${readyText}`));
  }
  return errors;
}

/** The collision count never goes down. */
export function validateCollisions(now: number | undefined, before: number | undefined): FieldError[] {
  if (before === undefined || (now ?? -1) >= before) return [];
  return [invalidValue('status.collisionCount', now ?? 0, 'cannot be decremented')];
}
