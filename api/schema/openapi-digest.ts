/**
 * Digests of OpenAPI documents, by which our documents are compared with the ones that upstream publishes
 * (`api/openapi-spec`), without a copy of those. The generator makes them of upstream's, a test of ours.
 *
 * Left out of the comparison: the version of the server; texts of types, fields and parameters (ours are those of an npm
 * dependency); CBOR, which a server offers only with a feature gate that is off by default; and in v2, in which groups
 * DeleteOptions and WatchEvent are known, as upstream names those that it does not serve, too.
 */
import { createHash } from 'node:crypto';

type Json = Record<string, unknown>;

/** A document in one of both forms. */
export interface OpenApiDocument {
  paths: Json;
  /** v3 */
  components?: { schemas?: Json; securitySchemes?: Json };
  /** v2 */
  definitions?: Json;
  /** v2: parameters that are written once and referred to. */
  parameters?: Json;
}

/** A document's paths and types, each in a form that is equal for equal documents. */
export function comparable(document: OpenApiDocument): { paths: Json; schemas: Json } {
  const schemas = (document.components?.schemas ?? document.definitions ?? {}) as Json;
  const isV2 = document.definitions !== undefined;
  return {
    paths: mapValues(document.paths, (item) => plain(item, document.parameters ?? {}, true)),
    schemas: mapValues(schemas, (schema, name) => {
      const made = plain(schema, {}, false) as Json;
      if (isV2 && /\.meta\.v1\.(DeleteOptions|WatchEvent)$/.test(name)) delete made['x-kubernetes-group-version-kind'];
      return made;
    }),
  };
}

/** One line: the numbers of paths and types, and a hash of each. */
export function digest(document: OpenApiDocument): string {
  const { paths, schemas } = comparable(document);
  return [paths, schemas].map((part) => `${Object.keys(part).length} ${hash(part)}`).join(' ');
}

/** The part of the v2 document that a v3 document also has. */
export function v2Part(v2: OpenApiDocument, v3: OpenApiDocument): OpenApiDocument {
  const only = (all: Json, names: Json): Json =>
    Object.fromEntries(Object.entries(all).filter(([name]) => Object.hasOwn(names, name)));
  return {
    ...v2,
    paths: only(v2.paths, v3.paths),
    definitions: only(v2.definitions ?? {}, v3.components?.schemas ?? {}),
  };
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

function mapValues(object: Json, change: (value: unknown, name: string) => unknown): Json {
  return Object.fromEntries(
    Object.keys(object)
      .sort()
      .map((name) => [name, change(object[name], name)]),
  );
}

/** With sorted keys and parameters, and without what is left out. @param texts whether to keep the texts of operations */
function plain(value: unknown, shared: Json, texts: boolean): unknown {
  if (Array.isArray(value)) {
    const all = value
      .filter((item) => typeof item !== 'string' || !item.includes('cbor'))
      .map((item) => plain(item, shared, texts));
    return all.every(isParameter) ? all.sort((a, b) => (place(a) < place(b) ? -1 : 1)) : all;
  }
  if (typeof value !== 'object' || value === null) return value;
  const object = value as Json;
  const reference = /^#\/parameters\/(.*)$/.exec(String(object['$ref']))?.[1];
  if (reference !== undefined) return plain(shared[reference], shared, texts);
  // A field whose name is `description` is an object, and stays.
  const keepText = typeof object['description'] !== 'string' || (texts && object['operationId'] !== undefined);
  const kept = Object.entries(object).filter(([key]) => !key.includes('cbor') && (key !== 'description' || keepText));
  return mapValues(Object.fromEntries(kept), (item) => plain(item, shared, texts));
}

const isParameter = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && 'in' in value && 'name' in value;
const place = (parameter: Json): string => `${String(parameter['in'])} ${String(parameter['name'])}`;
