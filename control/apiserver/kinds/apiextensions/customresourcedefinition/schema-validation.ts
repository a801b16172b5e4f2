/** The schema of a version. Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go` (validateCustomResourceDefinitionValidation). */
import type { FieldError } from '#api/field-error.ts';
import { sameJson } from '#api/meta.ts';
import { validateCustomResourceSchema } from '#api/structural-schema/schema-checks.ts';
import { unsupportedReason, validateStructural } from '#api/structural-schema/structural-checks.ts';
import type { CustomResourceDefinitionVersion, JSONSchemaProps } from '#api/types.generated.ts';

/**
 * A schema that stands in the stored definition as it is stays valid, whatever later versions of the server ask for.
 * @param old the stored version of the same name
 * @param hasStatus whether the subresource status is on in this version, or in any that shares the schema
 */
export function validateSchema(
  version: CustomResourceDefinitionVersion,
  path: string,
  old: CustomResourceDefinitionVersion | undefined,
  hasStatus = hasStatusOf(version),
): FieldError[] {
  const schema = version.schema?.openAPIV3Schema;
  if (schema === undefined) return [];
  const before = old?.schema?.openAPIV3Schema;
  const isUnchanged = before !== undefined && sameJson(schema, before);
  if (isUnchanged && (!hasStatus || hasStatusOf(old))) return [];
  const requireStructural = before === undefined || isUnchanged || isStructural(before);
  return validateCustomResourceSchema(schema, `${path}.openAPIV3Schema`, { hasStatus, isUnchanged, requireStructural });
}

const hasStatusOf = (version: CustomResourceDefinitionVersion | undefined): boolean =>
  version?.subresources?.status !== undefined;

const isStructural = (schema: JSONSchemaProps): boolean =>
  unsupportedReason(schema) === undefined && validateStructural(schema, '').length === 0;
