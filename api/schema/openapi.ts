/**
 * The OpenAPI v3 documents, one per group and version. They are built from the schema facts and the catalog. kubectl reads them
 * to explain kinds, to learn that the server validates fields itself, and for the merge keys of patches.
 *
 * Source: kubernetes.io, "The Kubernetes API", OpenAPI v3; kube-openapi for the `x-kubernetes-…` extensions.
 */
import { createHash } from 'node:crypto';
import { stringifyExact } from '#api/int64.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { reviewResources } from '#api/review-resources.ts';
import type { Descriptions } from './descriptions.ts';
import {
  detailedTypeOf,
  everywhere,
  type FieldFacts,
  type FieldType,
  type KindName,
  type ObjectTexts,
  type ScalarKind,
  type TypeFacts,
  typeFacts,
} from './facts.ts';
import { openApiName } from './openapi-names.ts';
import { carriedTypes, groupPath, groupPaths, type ServedKinds } from './openapi-paths.ts';
import { type RootDocument, rootDocuments } from './openapi-roots.ts';

type Json = Record<string, unknown>;

/** The OpenAPI v3 documents of a catalog. */
export interface OpenApi {
  /**
   * A value that changes whenever the served resources change. A caller that caches something made from the documents compares
   * it.
   */
  version(): unknown;
  /** The body of `GET /openapi/v3`: the URL of each document, with a hash of its content. */
  index(): Uint8Array;
  /** The body of `GET /openapi/v3/<path>`, for example of `apis/apps/v1`. Undefined when nothing is served there. */
  document(path: string): Uint8Array | undefined;
  /** The schemas of custom resources by their names, as version 2 shows them. */
  customSchemas(): Map<string, Json>;
}

/** How many documents of custom resources are kept: there may be hundreds, and clients read few of them. */
const maxCustomDocuments = 20;

/**
 * Makes the documents. Each is built at its first request, and again after its group and version has changed. `descriptions` is
 * called at the first build.
 * @param version the value of `info.version`
 */
export function createOpenApi(catalog: ResourceCatalog, version: string, descriptions: () => Descriptions): OpenApi {
  const made = new Map<string, Uint8Array>();
  /** Those of custom resources, the one read last at the end. */
  const custom = new Map<string, Uint8Array>();
  catalog.changed(({ resource }) => {
    made.delete(groupPath(resource));
    custom.delete(groupPath(resource));
  });
  const announced = (): Resource[] => catalog.all().filter((resource) => resource.announced);
  const all = (): Pick<Resource, 'group' | 'version'>[] => [...announced(), ...reviewResources];
  const roots = (): ReadonlyMap<string, RootDocument> => rootDocuments(all().map(({ group }) => group));
  const build = (path: string): Json | undefined => {
    const root = roots().get(path);
    if (root !== undefined) return withSchemas(root.paths, root.type === undefined ? [] : [root.type], version, descriptions());
    const served = servedAt(announced(), path);
    return served.stored.length + served.reviews.length === 0 ? undefined : documentOf(served, version, descriptions());
  };
  const document = (path: string): Uint8Array | undefined => {
    const kept = made.get(path) ?? custom.get(path);
    const bytes = kept ?? encoded(build(path));
    if (bytes === undefined) return undefined;
    if (customRevision(servedAt(announced(), path)) === undefined) made.set(path, bytes);
    else {
      custom.delete(path);
      custom.set(path, bytes);
      for (const [oldest] of custom) if (custom.size > maxCustomDocuments) custom.delete(oldest);
    }
    return bytes;
  };
  /** The hash of custom resources is computed from the revisions of their definitions, because building all documents would take long. */
  const hashed = (path: string): string | Uint8Array => customRevision(servedAt(announced(), path)) ?? document(path) ?? '';
  return {
    document,
    version: () => catalog.all(),
    customSchemas() {
      const texts = textsOf(descriptions());
      return new Map(
        announced().flatMap(({ schema }): [string, Json][] => {
          const details = detailedTypeOf(schema);
          return details === undefined ? [] : [[openApiName(schema), details.published(true, texts)]];
        }),
      );
    },
    index() {
      const paths = [...new Set([...roots().keys(), ...all().map(groupPath)])].sort().map((path) => {
        const hash = createHash('sha512').update(hashed(path)).digest('hex').toUpperCase();
        return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }];
      });
      return new TextEncoder().encode(JSON.stringify({ paths: Object.fromEntries(paths) }));
    },
  };
}

const encoded = (document: Json | undefined): Uint8Array | undefined =>
  document === undefined ? undefined : new TextEncoder().encode(stringifyExact(document));

/** Changes with the document of these kinds, which are all custom resources; undefined: some are not. */
function customRevision({ stored, reviews }: ServedKinds): string | undefined {
  if (reviews.length > 0 || stored.length === 0) return undefined;
  const revisions = stored.map(({ schema }) => detailedTypeOf(schema)?.revision);
  return revisions.includes(undefined) ? undefined : JSON.stringify([stored, revisions]);
}

/** From any kind, because all have the same. */
const textsOf = (descriptions: Descriptions): ObjectTexts => ({
  apiVersion: descriptions['core/v1.Pod.apiVersion'] ?? '',
  kind: descriptions['core/v1.Pod.kind'] ?? '',
  metadata:
    "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
});

function servedAt(resources: readonly Resource[], path: string): ServedKinds {
  const isThere = (resource: Pick<Resource, 'group' | 'version'>): boolean => groupPath(resource) === path;
  return { stored: resources.filter(isThere), reviews: reviewResources.filter(isThere) };
}

/** The types that operations on stored objects have in their bodies in addition to the objects. */
const storedTypes = ['meta/v1.DeleteOptions', 'meta/v1.Status', 'meta/v1.WatchEvent'];

function documentOf(served: ServedKinds, version: string, descriptions: Descriptions): Json {
  const { stored, reviews } = served;
  const types = [
    'meta/v1.APIResourceList',
    ...(stored.length === 0 ? [] : storedTypes),
    ...stored.flatMap(carriedTypes),
    ...reviews.map(({ schema }) => schema),
  ];
  return withSchemas(groupPaths(served), types, version, descriptions, served);
}

/** A document of these paths, with the schemas of these types and all that they refer to. */
function withSchemas(
  paths: Json,
  types: readonly string[],
  version: string,
  descriptions: Descriptions,
  served?: ServedKinds,
): Json {
  const names = new Set<string>();
  for (const name of types) reach(name, names);
  const made = [...names]
    .sort()
    .map((name): [string, Json] => [
      openApiName(name),
      detailedTypeOf(name)?.published(false, textsOf(descriptions)) ??
        schemaOf(typeFacts(name), descriptions, kindsOf(name, served)),
    ]);
  const references = JSON.stringify([paths, made]);
  const scalars = Object.entries(scalarSchemas).filter(([name]) => references.includes(`/schemas/${name}"`));
  const schemas = Object.fromEntries([...made, ...scalars]);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version },
    paths,
    components: { ...(Object.keys(schemas).length === 0 ? {} : { schemas }), securitySchemes },
  };
}

/** How clients say who they are, in every document. */
const securitySchemes: Json = {
  BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' },
};

/** DeleteOptions and WatchEvent are kinds of the core group and of each group and version that has stored objects. */
function kindsOf(name: string, served: ServedKinds | undefined): readonly KindName[] {
  const { kinds, goName } = typeFacts(name);
  if (served === undefined || !everywhere.has(goName) || !name.startsWith('meta/v1.')) return kinds;
  const own = served.stored.slice(0, 1).map(({ group, version }) => ({ group, version, kind: goName }));
  const core = { group: '', version: 'v1', kind: goName };
  return [core, ...own.filter(({ group }) => group !== '')];
}

function reach(name: string, names: Set<string>): void {
  if (names.has(name)) return;
  names.add(name);
  for (const { type } of typeFacts(name).fields) {
    const inner = innermost(type);
    if (inner.kind === 'ref') reach(inner.name, names);
  }
}

function innermost(type: FieldType): FieldType {
  return type.kind === 'list' ? innermost(type.item) : type.kind === 'map' ? innermost(type.value) : type;
}

const scalarNames: Partial<Record<ScalarKind, string>> = {
  quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  time: 'io.k8s.apimachinery.pkg.apis.meta.v1.Time',
  microtime: 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime',
  duration: 'io.k8s.apimachinery.pkg.apis.meta.v1.Duration',
  fieldsV1: 'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1',
  raw: 'io.k8s.apimachinery.pkg.runtime.RawExtension',
  intstr: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
};

/** The schemas of what is any JSON in CustomResourceDefinitions, by the Go type of the field. Its parts are what is any JSON. */
const jsonNames: Readonly<Record<string, string>> = {
  'v1.JSON': 'JSON',
  '[]v1.JSON': 'JSON',
  'v1.JSONSchemaPropsOrArray': 'JSONSchemaPropsOrArray',
  'v1.JSONSchemaPropsOrBool': 'JSONSchemaPropsOrBool',
  'v1.JSONSchemaDependencies': 'JSONSchemaPropsOrStringArray',
};
const jsonName = (goType: string | undefined): string | undefined => {
  const name = goType === undefined ? undefined : jsonNames[goType];
  return name === undefined ? undefined : openApiName(`apiextensions/v1.${name}`);
};

const scalarSchemas: Json = {
  ...Object.fromEntries(Object.keys(jsonNames).map((goType) => [jsonName(goType), {}])),
  [scalarNames.quantity as string]: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  [scalarNames.time as string]: { type: 'string', format: 'date-time' },
  [scalarNames.microtime as string]: { type: 'string', format: 'date-time' },
  [scalarNames.duration as string]: { type: 'string' },
  [scalarNames.fieldsV1 as string]: { type: 'object' },
  [scalarNames.raw as string]: { type: 'object' },
  [scalarNames.intstr as string]: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  'io.k8s.apimachinery.pkg.apis.meta.v1.Patch': { type: 'object' },
};

const plainSchemas: Partial<Record<ScalarKind, Json>> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  json: {},
  any: {},
};

function schemaOf(facts: TypeFacts, descriptions: Descriptions, kinds: readonly KindName[]): Json {
  const { required } = facts;
  const properties = facts.fields.map((field) => [field.name, fieldSchema(field, descriptions[`${facts.name}.${field.name}`])]);
  return {
    ...describe(descriptions[facts.name]),
    type: 'object',
    ...(required.length === 0 ? {} : { required }),
    ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }),
    ...(kinds.length === 0 ? {} : { 'x-kubernetes-group-version-kind': kinds }),
    ...extension('map-type', facts.mapType),
    ...extension('unions', facts.unions),
  };
}

function describe(description: string | undefined): Json {
  return description === undefined ? {} : { description };
}

function fieldSchema(field: FieldFacts, description: string | undefined): Json {
  const type = typeSchema(field.type, jsonName(field.goType));
  const value = field.default ?? field.zero;
  const more = {
    ...describe(description),
    ...(value === undefined ? {} : { default: value }),
    ...extension('list-type', field.listType),
    ...extension('list-map-keys', field.keys.length === 0 ? undefined : field.keys),
    ...extension('map-type', field.mapType),
    ...extension('patch-strategy', field.patchStrategy.length === 0 ? undefined : field.patchStrategy.join(',')),
    ...extension('patch-merge-key', field.mergeKey),
  };
  // Next to a $ref other keywords are ignored, so it is wrapped in allOf, as upstream does.
  return '$ref' in type && !field.bare ? { allOf: [type], ...more } : { ...type, ...more };
}

function extension(name: string, value: unknown): Json {
  return value === undefined ? {} : { [`x-kubernetes-${name}`]: value };
}

/** @param json the name of the schema of what is any JSON in it */
function typeSchema(type: FieldType, json: string | undefined): Json {
  if (type.kind === 'list') return { type: 'array', items: typeSchema(type.item, json) };
  if (type.kind === 'map') return { type: 'object', additionalProperties: typeSchema(type.value, json) };
  const name = type.kind === 'ref' ? openApiName(type.name) : type.kind === 'json' ? json : scalarNames[type.kind];
  return name === undefined ? (plainSchemas[type.kind as ScalarKind] ?? {}) : { $ref: `#/components/schemas/${name}` };
}
