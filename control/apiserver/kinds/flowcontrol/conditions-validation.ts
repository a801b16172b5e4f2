/** Conditions of flow control's objects. Source: upstream `pkg/apis/flowcontrol/validation/validation.go`. */
import { duplicate, type FieldError, required } from '#api/field-error.ts';

/** Each condition has a type, and types are unique. */
export function validateFlowConditions(conditions: readonly { type?: string | undefined }[] = []): FieldError[] {
  const types = new Set<string>();
  return conditions.flatMap(({ type = '' }, index) => {
    const at = `status.conditions[${index}].type`;
    const errors: FieldError[] = types.has(type) ? [duplicate(at, type)] : [];
    types.add(type);
    return type === '' ? [...errors, required(at)] : errors;
  });
}
