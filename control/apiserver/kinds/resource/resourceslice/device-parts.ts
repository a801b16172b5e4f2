/** Shared validation of slices and their devices. Source: upstream `pkg/apis/resource/validation/validation.go`. */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Counter } from '#api/types.generated.ts';
import { validateMap } from '../../../validation/lists.ts';
import { validateLabel } from '../names.ts';

const maxCounters = 32;
const labelBytes = 63;

/** The name of a node. */
export const validateNodeName = (name: string, path: string): FieldError[] =>
  nameIsDnsSubdomain(name, false).map((text) => invalidValue(path, name, text));

/** Validates counters. Any amount is allowed. */
export function validateCounters(counters: Record<string, Counter> | undefined, path: string): FieldError[] {
  if (Object.keys(counters ?? {}).length === 0) return [required(path)];
  return validateMap(counters ?? {}, { max: maxCounters, keyBytes: labelBytes, path }, validateLabel, () => []);
}
