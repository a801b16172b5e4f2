/**
 * Formats in schemas that nobody checks: the client gets a warning of each new one.
 *
 * Source: apiextensions-apiserver `pkg/registry/customresourcedefinition/strategy.go`, `pkg/apiserver/validation/formats.go` (GetUnrecognizedFormats).
 */
import { supportedFormat } from '#api/formats/formats.ts';
import { isJsonObject, type JsonValue } from '#api/json.ts';
import type { CustomResourceDefinition, JSONSchemaProps } from '#api/types.generated.ts';

/** @param old undefined on create; its formats are known to the client */
export function formatWarnings(definition: CustomResourceDefinition, old: CustomResourceDefinition | undefined): string[] {
  const known = new Set(old === undefined ? [] : formatsOf(old));
  return formatsOf(definition)
    .filter((format) => !known.has(format))
    .map((format) => `unrecognized format ${JSON.stringify(format)}`);
}

function formatsOf({ spec }: CustomResourceDefinition): string[] {
  const found: string[] = [];
  for (const { schema } of spec.versions) collect(schema?.openAPIV3Schema, found);
  return found;
}

function collect(schema: JSONSchemaProps | undefined, found: string[]): void {
  if (schema === undefined) return;
  const { format = '', type = '' } = schema;
  if (format !== '' && supportedFormat(format, [type]) === '') found.push(format);
  const lists = [schema.allOf, schema.anyOf, schema.oneOf];
  const maps = [schema.properties, schema.patternProperties, schema.definitions];
  for (const part of lists.flatMap((list) => list ?? [])) collect(part, found);
  for (const part of maps.flatMap((map) => Object.values(map ?? {}))) collect(part, found);
  for (const part of [schema.items, schema.additionalProperties, schema.additionalItems]) collectAny(part, found);
  collect(schema.not, found);
}

/** What may be a schema, a list of schemas, or true or false. */
function collectAny(part: JsonValue | undefined, found: string[]): void {
  if (Array.isArray(part)) for (const one of part) collectAny(one, found);
  else if (isJsonObject(part)) collect(part as JSONSchemaProps, found);
}
