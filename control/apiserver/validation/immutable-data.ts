/** What ConfigMaps and Secrets have in common. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField } from '#api/field-error.ts';
import { semanticEqual } from './semantic-equal.ts';

interface Immutable {
  immutable?: boolean | undefined;
  data?: Record<string, string> | undefined;
  binaryData?: Record<string, string> | undefined;
}

/** Once `immutable` is set, it stays set and the data stays. */
export function validateImmutableData(now: Immutable, old: Immutable, fields: readonly ('data' | 'binaryData')[]): FieldError[] {
  if (old.immutable !== true) return [];
  const text = 'field is immutable when `immutable` is set';
  return [
    ...(now.immutable === true ? [] : [forbiddenField('immutable', text)]),
    ...fields.flatMap((field) => (semanticEqual(now[field], old[field]) ? [] : [forbiddenField(field, text)])),
  ];
}

/** How many bytes a base64 text stands for. */
export function base64Bytes(text: string): number {
  return Buffer.byteLength(text, 'base64');
}
