/**
 * Generates the schema facts and the TypeScript types of the Kubernetes API from upstream's published files.
 *
 *     npm run generate -- /path/to/kubernetes
 *
 * Reads, below that path: `api/openapi-spec/v3/*.json` (field names, types, required, defaults, list and map types,
 * merge keys), the `generated.proto` files (protobuf field numbers) and `types.go` (which scalars are pointers: for those a
 * zero is a value, for the others it is absence; and the names of Go types, which decoding errors mention). Writes
 * `api/schema/facts.generated.ts`, `api/types.generated.ts`, and the digests of the published documents.
 * No prose of upstream's is taken over: descriptions for `kubectl explain` come from an npm dependency.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digest, type OpenApiDocument, v2Part } from './openapi-digest.ts';
import { type GoField, type ProtoField, readGoFields, readProtos } from './upstream-types.ts';

interface OpenApiProperty {
  type?: string;
  format?: string;
  default?: unknown;
  $ref?: string;
  allOf?: { $ref: string }[];
  oneOf?: unknown[];
  items?: OpenApiProperty;
  additionalProperties?: OpenApiProperty;
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: string;
  'x-kubernetes-patch-merge-key'?: string;
  'x-kubernetes-patch-strategy'?: string;
}

interface OpenApiSchema extends OpenApiProperty {
  properties?: Record<string, OpenApiProperty>;
  required?: string[];
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
  'x-kubernetes-unions'?: unknown[];
}

/** The groups whose types are generated. When two groups have a type of the same name, the first gets the name without prefix. */
const groups: readonly (readonly [file: string, prefix: string])[] = [
  ['api__v1', ''],
  ['apis__apps__v1', 'Apps'],
  ['apis__batch__v1', 'Batch'],
  ['apis__discovery.k8s.io__v1', 'Discovery'],
  ['apis__events.k8s.io__v1', 'Events'],
  ['apis__coordination.k8s.io__v1', 'Coordination'],
  ['apis__autoscaling__v1', 'Autoscaling'],
  ['apis__autoscaling__v2', 'AutoscalingV2'],
  ['apis__policy__v1', 'Policy'],
  ['apis__rbac.authorization.k8s.io__v1', 'Rbac'],
  ['apis__authentication.k8s.io__v1', 'Authentication'],
  ['apis__authorization.k8s.io__v1', 'Authorization'],
  ['apis__networking.k8s.io__v1', 'Networking'],
  ['apis__storage.k8s.io__v1', 'Storage'],
  ['apis__scheduling.k8s.io__v1', 'Scheduling'],
  ['apis__node.k8s.io__v1', 'NodeApi'],
  ['apis__certificates.k8s.io__v1', 'Certificates'],
  ['apis__admissionregistration.k8s.io__v1', 'Admission'],
  ['apis__apiextensions.k8s.io__v1', 'Extensions'],
  ['apis__apiregistration.k8s.io__v1', 'Registration'],
  ['apis__flowcontrol.apiserver.k8s.io__v1', 'FlowControl'],
  ['apis__resource.k8s.io__v1', 'Dra'],
];

/** Types that are not objects in JSON. The codec handles each by name. */
const scalars: Record<string, { code: string; ts: string }> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { code: 'quantity', ts: 'Quantity' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': { code: 'fieldsV1', ts: 'JsonObject' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': { code: 'microtime', ts: 'string' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': { code: 'time', ts: 'string' },
  'io.k8s.apimachinery.pkg.runtime.RawExtension': { code: 'raw', ts: 'JsonObject' },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { code: 'intstr', ts: 'IntOrString' },
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON': { code: 'json', ts: 'JsonValue' },
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray': { code: 'json', ts: 'JsonValue' },
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool': { code: 'json', ts: 'JsonValue' },
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray': { code: 'json', ts: 'JsonValue' },
};

const plainGoTypes: Record<string, string> = {
  s: 'string',
  b: 'bool',
  i: 'int32',
  l: 'int64',
  d: 'float64',
  y: '[]uint8',
  quantity: 'resource.Quantity',
  time: 'v1.Time',
  microtime: 'v1.MicroTime',
  intstr: 'intstr.IntOrString',
  fieldsV1: 'v1.FieldsV1',
  raw: 'runtime.RawExtension',
};

const source = process.argv[2];
if (source === undefined) throw new Error('usage: npm run generate -- /path/to/kubernetes (a checkout of upstream)');

const schemas = new Map<string, OpenApiSchema>();
const tsNames = new Map<string, string>();
for (const [file, prefix] of groups) readGroup(file, prefix);
const protos = readProtos(source);
const goFields = readGoFields(source);
writeFileSync(new URL('./facts.generated.ts', import.meta.url), factsFile());
writeFileSync(new URL('../types.generated.ts', import.meta.url), typesFile());
writeFileSync(new URL('./published-openapi.generated.ts', import.meta.url), digestsFile(source));

/** Reads one OpenAPI v3 document. A TypeScript name that an earlier group uses gets this group's prefix. */
function readGroup(file: string, prefix: string): void {
  const path = join(source as string, 'api/openapi-spec/v3', `${file}_openapi.json`);
  const document = JSON.parse(readFileSync(path, 'utf8')) as { components: { schemas: Record<string, OpenApiSchema> } };
  const taken = new Set(tsNames.values());
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    if (schemas.has(name)) continue;
    schemas.set(name, schema);
    const plain = name.slice(name.lastIndexOf('.') + 1);
    tsNames.set(name, taken.has(plain) ? `${prefix}${plain}` : plain);
  }
}

/** The name in the facts table: `io.k8s.api.core.v1.Pod` → `core/v1.Pod`. */
function shortName(openApiName: string): string {
  const parts = openApiName.split('.');
  const type = parts.at(-1) as string;
  const version = parts.at(-2) as string;
  const group = /^v\d/.test(version) ? parts.at(-3) : version;
  return /^v\d/.test(version) ? `${group}/${version}.${type}` : `${group}.${type}`;
}

function refOf(property: OpenApiProperty): string | undefined {
  const ref = property.$ref ?? property.allOf?.[0]?.$ref;
  return ref?.slice('#/components/schemas/'.length);
}

/**
 * The path of protobuf field numbers to a JSON field: `3`, or `2.1` when Go embeds a struct whose fields JSON shows in the outer
 * object (Volume's sources, Probe's handler). `0` when protobuf does not carry the field (`apiVersion` and `kind`).
 */
function protoPath(typeName: string, field: string): string {
  const message = protos.get(typeName);
  if (message === undefined) return '0';
  // The names differ: `$ref` is `ref` in protobuf, and `x-kubernetes-list-type` is `xKubernetesListType`.
  const protoName = field.replace(/[^A-Za-z0-9]/g, '').toLowerCase();
  const own = message.find(({ name }) => name.toLowerCase() === protoName);
  if (own !== undefined) return String(own.number);
  for (const embedded of embeddedIn(typeName)) {
    const inner = protoPath(embedded.type, field);
    if (inner !== '0') return `${embedded.number}.${inner}`;
  }
  return '0';
}

/** The message fields whose own fields JSON shows in the outer object. */
function embeddedIn(typeName: string): ProtoField[] {
  const properties = schemas.get(typeName)?.properties ?? {};
  return (protos.get(typeName) ?? []).filter(({ name, type }) => properties[name] === undefined && protos.has(type));
}

/** The Go facts about a field. Embedded structs are searched too. */
function goField(typeName: string, field: string): GoField | undefined {
  const own = goFields.get(`${typeName}.${field}`);
  if (own !== undefined) return own;
  for (const { type } of embeddedIn(typeName)) {
    const inner = goField(type, field);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** The Go type that follows from a type code. facts.ts derives the same. */
function plainGoType(code: string): string {
  if (code.startsWith('[]')) return `[]${plainGoType(code.slice(2))}`;
  if (code.startsWith('{}')) return `map[string]${plainGoType(code.slice(2))}`;
  return plainGoTypes[code] ?? code.slice(code.indexOf('/') + 1);
}

/** The type's code: `s`tring, `b`oolean, int32 `i`, int64 `l`, `d`ouble, b`y`tes, a special scalar, or the type's short name. */
function typeCode(property: OpenApiProperty): string {
  const ref = refOf(property);
  if (ref !== undefined) return scalars[ref]?.code ?? shortName(ref);
  if (property.type === 'array') return `[]${typeCode(property.items ?? {})}`;
  if (property.additionalProperties !== undefined) return `{}${typeCode(property.additionalProperties)}`;
  if (property.type === 'string') return property.format === 'byte' ? 'y' : 's';
  if (property.type === 'boolean') return 'b';
  if (property.type === 'integer') return property.format === 'int64' ? 'l' : 'i';
  if (property.type === 'number') return 'd';
  return 'json';
}

function fieldLine(typeName: string, name: string, property: OpenApiProperty, required: boolean): string {
  const marks: string[] = [];
  if (required) marks.push('!');
  const go = goField(typeName, name);
  if (go?.pointer === true) marks.push('*');
  if (go?.omitEmpty === false && !required) marks.push('+');
  if (property['x-kubernetes-list-type'] !== undefined) marks.push(`list=${property['x-kubernetes-list-type']}`);
  if (property['x-kubernetes-list-map-keys'] !== undefined)
    marks.push(`keys=${property['x-kubernetes-list-map-keys'].join(',')}`);
  if (property['x-kubernetes-map-type'] !== undefined) marks.push(`map=${property['x-kubernetes-map-type']}`);
  if (property['x-kubernetes-patch-strategy'] !== undefined) marks.push(`patch=${property['x-kubernetes-patch-strategy']}`);
  if (property['x-kubernetes-patch-merge-key'] !== undefined) marks.push(`mergeKey=${property['x-kubernetes-patch-merge-key']}`);
  const value = property.default;
  const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  if (plain && value !== '' && value !== 0 && value !== false) marks.push(`default=${JSON.stringify(value)}`);
  const code = typeCode(property);
  if (property.$ref !== undefined) marks.push('bare');
  // facts.ts derives whether the zero is published as the default; only what differs is marked.
  const isZero = value !== undefined && !(plain && value !== '' && value !== 0 && value !== false);
  const hasZero =
    property.type === 'array' || property.type === 'object'
      ? false
      : (refOf(property) !== undefined && scalars[refOf(property) as string] === undefined) ||
        ('sbild'.includes(code) && (required || marks.includes('+')));
  if (value === undefined || isZero) if (isZero !== (hasZero && go?.pointer !== true)) marks.push(`zero=${isZero}`);
  const goType = go?.type.replaceAll('[]byte', '[]uint8');
  if (goType !== undefined && goType !== plainGoType(code)) marks.push(`go=${goType}`);
  return ` ${[name, protoPath(typeName, name), code, ...marks].join(' ')}`;
}

/** One line a published document: its name, the digest of it, and of what the v2 document has of it. */
function digestsFile(root: string): string {
  const folder = join(root, 'api/openapi-spec');
  const read = (path: string): OpenApiDocument => JSON.parse(readFileSync(join(folder, path), 'utf8')) as OpenApiDocument;
  const v2 = read('swagger.json');
  const lines = readdirSync(join(folder, 'v3'))
    .filter((file) => file.endsWith('_openapi.json'))
    .sort()
    .map((file) => {
      const name = file.slice(0, -'_openapi.json'.length).replaceAll('__', '/');
      const v3 = read(join('v3', file));
      return `${name} ${digest(v3)} ${digest(v2Part(v2, v3))}`;
    });
  const legend = [
    '// Generated by api/schema/generate.ts from upstream Kubernetes 1.36. Do not edit; see openapi-digest.ts.',
    '/** One line a document: name; paths and their hash, types and their hash, in v3; the same in v2. */',
  ];
  return `${legend.join('\n')}\nexport const publishedOpenApi = \`\n${lines.join('\n')}\n\`;\n`;
}

function isSorted(names: readonly string[]): boolean {
  return names.every((name, at) => at === 0 || (names[at - 1] as string) < name);
}

function factsFile(): string {
  const lines: string[] = [];
  for (const [name, schema] of [...schemas].sort(([a], [b]) => (shortName(a) < shortName(b) ? -1 : 1))) {
    if (scalars[name] !== undefined || (schema.properties === undefined && schema.type !== 'object')) continue;
    const kinds = (schema['x-kubernetes-group-version-kind'] ?? []).map(
      ({ group, version, kind }) => `${group}/${version}/${kind}`,
    );
    const few = kinds.length > 3 ? [] : kinds; // DeleteOptions and WatchEvent are listed in every group
    const mapType = schema['x-kubernetes-map-type'];
    const unions = schema['x-kubernetes-unions'];
    lines.push(
      [
        shortName(name),
        ...few.map((kind) => `kind=${kind}`),
        ...(mapType === undefined ? [] : [`map=${mapType}`]),
        ...(unions === undefined ? [] : [`unions=${JSON.stringify(unions)}`]),
        ...(isSorted(schema.required ?? []) ? [] : [`required=${schema.required?.join(',')}`]),
      ].join(' '),
    );
    for (const [field, property] of Object.entries(schema.properties ?? {})) {
      lines.push(fieldLine(name, field, property, schema.required?.includes(field) ?? false));
    }
  }
  const legend = [
    '// Generated by api/schema/generate.ts from upstream Kubernetes 1.36. Do not edit; see facts.ts for the grammar.',
    '/** One line a type, one indented line a field: name, protobuf number path, type code, marks. */',
  ];
  return `${legend.join('\n')}\nexport const factsText = \`\n${lines.join('\n')}\n\`;\n`;
}

function tsType(property: OpenApiProperty): string {
  const ref = refOf(property);
  if (ref !== undefined)
    return scalars[ref]?.ts ?? (schemas.get(ref)?.properties === undefined ? 'JsonObject' : (tsNames.get(ref) as string));
  if (property.type === 'array') {
    const item = tsType(property.items ?? {});
    return `${item}[]`;
  }
  if (property.additionalProperties !== undefined) return `Record<string, ${tsType(property.additionalProperties)}>`;
  if (property.type === 'string') return 'string';
  if (property.type === 'boolean') return 'boolean';
  if (property.type === 'integer' || property.type === 'number') return 'number';
  return 'JsonValue';
}

/**
 * The TypeScript of one field. `apiVersion`, `kind` and `metadata` of a kind are required in its type, because a server always
 * sends them.
 */
function tsField(name: string, property: OpenApiProperty, required: boolean, isKind: boolean, isList: boolean): string {
  const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
  if (isKind && (name === 'apiVersion' || name === 'kind')) return `  ${key}: string;`;
  if (isKind && name === 'metadata') return `  ${key}: ${isList ? 'ListMeta' : 'ResourceMeta'};`;
  if (isKind && name === 'spec') return `  ${key}: ${tsType(property)};`;
  return required ? `  ${key}: ${tsType(property)};` : `  ${key}?: ${tsType(property)} | undefined;`;
}

function typesFile(): string {
  const blocks = [...schemas]
    .filter(([name, schema]) => scalars[name] === undefined && schema.properties !== undefined)
    .map(([name, schema]) => {
      const isKind =
        (schema['x-kubernetes-group-version-kind'] ?? []).length > 0 && schema.properties?.['metadata'] !== undefined;
      const isList = schema.properties?.['items'] !== undefined;
      const fields = Object.entries(schema.properties ?? {}).map(([field, property]) =>
        tsField(field, property, schema.required?.includes(field) ?? false, isKind, isList),
      );
      return `/** ${shortName(name)} */\nexport interface ${tsNames.get(name)} {\n${fields.join('\n')}\n}\n`;
    })
    .sort();
  return `// Generated by api/schema/generate.ts from upstream Kubernetes 1.36. Do not edit.
import type { IntOrString, JsonObject, JsonValue, Quantity } from './json.ts';

/** The metadata of an object that a server has sent. These four fields are always set. */
export interface ResourceMeta extends ObjectMeta {
  name: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
}

${blocks.join('\n')}`;
}
