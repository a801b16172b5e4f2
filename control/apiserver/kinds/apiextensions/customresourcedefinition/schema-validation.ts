/** The schema of a version. Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go` (validateCustomResourceDefinitionValidation). */
import type { FieldError } from '#api/field-error.ts';
import type { CustomResourceDefinitionVersion } from '#api/types.generated.ts';
import { validateSchemaRoot } from './version-validation.ts';

/**
 * @param old the stored version of the same name
 * @param hasStatus whether the subresource status is on in this version, or in any that shares the schema
 */
export function validateSchema(
  { schema, subresources }: CustomResourceDefinitionVersion,
  path: string,
  _old: CustomResourceDefinitionVersion | undefined,
  hasStatus = subresources?.status !== undefined,
): FieldError[] {
  const props = schema?.openAPIV3Schema;
  return props === undefined ? [] : validateSchemaRoot(props, hasStatus, `${path}.openAPIV3Schema`);
}
