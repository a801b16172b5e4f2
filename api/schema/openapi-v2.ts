/**
 * The OpenAPI v2 document: all v3 documents merged and converted to the older form, as JSON and as protobuf. kubectl reads it
 * (only as protobuf) to validate the items of a `List`, because it does not rely on the server to validate those.
 *
 * Source: OpenAPI specification 2.0; gnostic-models `openapiv2/OpenAPIv2.proto` (field numbers); kube-openapi `pkg/openapiconv`.
 */
import { jsonBytesSteps } from '../json-steps.ts';
import { atOnce, type Steps } from '../steps.ts';
import type { OpenApi } from './openapi.ts';

type Json = Record<string, unknown>;

/** The OpenAPI v2 document in both forms. */
export interface OpenApiV2 {
  json(): Uint8Array;
  /** The bytes of a message `openapi.v2.Document`. */
  protobuf(): Uint8Array;
  /** The same in steps: with hundreds of custom resources it takes seconds. */
  steps(form: 'json' | 'protobuf'): Steps<Uint8Array>;
}

interface Forms {
  /** The {@link OpenApi.version} of the v3 documents that this was made from. */
  of: unknown;
  document: Json;
  json?: Uint8Array;
  protobuf?: Uint8Array;
}

/** Makes the document. It is converted at the first request, and again after the served resources have changed. */
export function createOpenApiV2(v3: OpenApi): OpenApiV2 {
  let made: Forms | undefined;
  const steps = function* (form: 'json' | 'protobuf'): Steps<Uint8Array> {
    const of = v3.version();
    const kept = made?.of === of ? made : undefined;
    const forms: Forms = kept ?? { of, document: yield* mergeSteps(v3) };
    made = forms;
    return (forms[form] ??= yield* form === 'json' ? jsonBytesSteps(forms.document) : documentSteps(forms.document));
  };
  return { steps, json: () => atOnce(steps('json')), protobuf: () => atOnce(steps('protobuf')) };
}

function* mergeSteps(v3: OpenApi): Steps<Json> {
  const parse = (bytes: Uint8Array | undefined): Json => JSON.parse(new TextDecoder().decode(bytes)) as Json;
  const kinds = new Map<string, Map<string, Json>>();
  const definitions: Json = {};
  const paths: Json = {};
  let first: Json | undefined;
  for (const place of Object.keys(parse(v3.index())['paths'] as Json)) {
    const bytes = v3.document(place);
    // Its kinds have gone meanwhile.
    if (bytes === undefined) continue;
    yield;
    const document = parse(bytes);
    first ??= document;
    const { schemas = {} } = document['components'] as { schemas?: Json };
    for (const [name, schema] of Object.entries(schemas)) {
      definitions[name] ??= schemaOf(schema as Json);
      // DeleteOptions and WatchEvent are kinds of other groups in each document.
      const all = kinds.get(name) ?? new Map<string, Json>();
      kinds.set(name, all);
      for (const kind of ((schema as Json)[kindsKey] as Json[] | undefined) ?? []) all.set(Object.values(kind).join('/'), kind);
    }
    for (const [path, item] of Object.entries(document['paths'] as Json)) paths[path] = pathOf(item as Json);
    yield;
  }
  for (const [name, schema] of v3.customSchemas()) definitions[name] = schema;
  for (const [name, all] of kinds) if (all.size > 1) (definitions[name] as Json)[kindsKey] = [...all.values()];
  const { securitySchemes } = (first?.['components'] ?? {}) as { securitySchemes?: Json };
  return {
    swagger: '2.0',
    info: first?.['info'] ?? {},
    paths,
    definitions,
    securityDefinitions: securitySchemes ?? {},
    security: Object.keys(securitySchemes ?? {}).map((name) => ({ [name]: [] })),
  };
}

const kindsKey = 'x-kubernetes-group-version-kind';

/**
 * Converts a schema. v2 has no `oneOf`, so a value of several types is a string with a special format; and no defaults, as
 * upstream takes them out of v2 (clients would fill them in).
 */
function schemaOf({ $ref, allOf, oneOf, items, additionalProperties, properties, default: _none, ...rest }: Json): Json {
  const [wrapped] = (allOf as Json[] | undefined) ?? [];
  const reference = ($ref ?? wrapped?.['$ref']) as string | undefined;
  return {
    ...rest,
    ...(reference === undefined ? {} : { $ref: reference.replace('#/components/schemas/', '#/definitions/') }),
    ...(oneOf === undefined ? {} : { type: 'string' }),
    ...(items === undefined ? {} : { items: schemaOf(items as Json) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: schemaOf(additionalProperties as Json) }),
    ...(properties === undefined ? {} : { properties: mapValues(properties as Json, schemaOf) }),
  };
}

function pathOf({ parameters, ...operations }: Json): Json {
  const shared = parameters === undefined ? {} : { parameters: (parameters as Json[]).map(parameterOf) };
  return { ...mapValues(operations, operationOf), ...shared };
}

function parameterOf({ schema, ...rest }: Json): Json {
  return { ...rest, ...(schema as Json) };
}

function operationOf({ parameters, requestBody, responses, ...rest }: Json): Json {
  const body = requestBody as { content: Json; required?: boolean } | undefined;
  const answers = Object.values(responses as Json) as { content?: Json }[];
  const produces = Object.keys(answers.find(({ content }) => content !== undefined)?.content ?? {});
  const sent =
    body === undefined
      ? []
      : [{ name: 'body', in: 'body', ...(body.required === true ? { required: true } : {}), ...contentOf(body) }];
  const all = [...sent, ...((parameters as Json[] | undefined) ?? []).map(parameterOf)];
  // What is no operation on a kind (discovery, the version) names the same types for both ways; keys and issuer name none.
  const read = rest['x-kubernetes-action'] === undefined ? typed(answers, produces) : ['*/*'];
  const consumes = body === undefined ? read : Object.keys(body.content);
  return {
    ...rest,
    schemes: ['https'],
    ...(consumes.length === 0 ? {} : { consumes }),
    produces,
    ...(all.length === 0 ? {} : { parameters: all }),
    responses: mapValues(responses as Json, (answer) => ({ description: answer['description'], ...contentOf(answer) })),
  };
}

function typed(answers: readonly { content?: Json }[], produces: readonly string[]): readonly string[] {
  return JSON.stringify(answers).includes('$ref') ? produces : [];
}

/** The schema of the first media type: all media types have the same. */
function contentOf({ content }: { content?: unknown }): Json {
  const [first] = Object.values((content as Json | undefined) ?? {}) as { schema: Json }[];
  return first === undefined ? {} : { schema: schemaOf(first.schema) };
}

function mapValues(object: Json, change: (value: Json) => Json): Json {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value as Json)]));
}

const verbs: Readonly<Record<string, number>> = { get: 2, put: 3, post: 4, delete: 5, options: 6, head: 7, patch: 8 };

/** Number of paths or schemas encoded in one step. */
const encodedAtOnce = 20;

function* documentSteps({ swagger, info, paths, definitions, securityDefinitions, security }: Json): Steps<Buffer> {
  const { title, version } = info as Json;
  const items = yield* encodedSteps(paths as Json, (name, item) => message(2, text(1, name), message(2, encodePath(item))));
  const schemas = yield* encodedSteps(definitions as Json, encodeNamedSchema);
  return Buffer.concat([
    text(1, swagger),
    message(2, text(1, title), text(2, version)),
    message(8, ...items),
    message(9, ...schemas),
    ...(security as Json[]).map((requirement) =>
      message(12, ...Object.keys(requirement).map((name) => message(1, text(1, name), message(2)))),
    ),
    message(
      13,
      ...Object.entries(securityDefinitions as Record<string, Json>).map(
        ([name, { type, name: header, in: place, description }]) =>
          message(1, text(1, name), message(2, message(2, text(1, type), text(2, header), text(3, place), text(4, description)))),
      ),
    ),
  ]);
}

function* encodedSteps(members: Json, encode: (name: string, value: Json) => Buffer): Steps<Buffer[]> {
  const encoded: Buffer[] = [];
  for (const [name, value] of Object.entries(members)) {
    if (encoded.push(encode(name, value as Json)) % encodedAtOnce === 0) yield;
  }
  return encoded;
}

function encodePath({ parameters, ...operations }: Json): Buffer {
  const encoded = Object.entries(operations).map(([verb, operation]) =>
    message(verbs[verb] as number, encodeOperation(operation as Json)),
  );
  const shared = ((parameters as Json[] | undefined) ?? []).map((parameter) => message(9, encodeParameter(parameter)));
  return Buffer.concat([...encoded, ...shared]);
}

function encodeOperation(operation: Json): Buffer {
  const responses = Object.entries(operation['responses'] as Json) as [string, Json][];
  return Buffer.concat([
    ...(operation['tags'] as string[]).map((tag) => text(1, tag)),
    text(3, operation['description']),
    text(5, operation['operationId']),
    ...(operation['produces'] as string[]).map((type) => text(6, type)),
    ...((operation['consumes'] as string[] | undefined) ?? []).map((type) => text(7, type)),
    ...((operation['parameters'] as Json[] | undefined) ?? []).map((parameter) => message(8, encodeParameter(parameter))),
    message(
      9,
      ...responses.map(([code, response]) => message(1, text(1, code), message(2, message(1, encodeResponse(response))))),
    ),
    ...(operation['schemes'] as string[]).map((scheme) => text(10, scheme)),
    encodeExtensions(13, operation),
  ]);
}

function encodeResponse({ description, schema }: Json): Buffer {
  return Buffer.concat([
    text(1, description),
    schema === undefined ? empty : message(2, message(1, encodeSchema(schema as Json))),
  ]);
}

/** Encodes a `ParametersItem`: a Parameter in the body, the query or the path. */
function encodeParameter({ name, in: place, required, type, uniqueItems, schema }: Json): Buffer {
  if (place === 'body')
    return message(1, message(1, text(2, name), text(3, place), flag(4, required), message(5, encodeSchema(schema as Json))));
  const start = [flag(1, required), text(2, place), text(4, name)];
  const parameter =
    place === 'query'
      ? message(3, ...start, text(6, type), flag(20, uniqueItems))
      : message(4, ...start, text(5, type), flag(19, uniqueItems));
  return message(1, message(2, parameter));
}

const encodeNamedSchema = (name: string, schema: Json): Buffer => message(1, text(1, name), message(2, encodeSchema(schema)));

const encodeSchemas = (schemas: Json): Buffer =>
  Buffer.concat(Object.entries(schemas).map(([name, schema]) => encodeNamedSchema(name, schema as Json)));

function encodeSchema(schema: Json): Buffer {
  const { $ref, format, description, required, additionalProperties, type, items, properties } = schema;
  return Buffer.concat([
    text(1, $ref),
    text(2, format),
    text(4, description),
    ...((required as string[] | undefined) ?? []).map((name) => text(19, name)),
    additionalProperties === undefined ? empty : message(21, message(1, encodeSchema(additionalProperties as Json))),
    type === undefined ? empty : message(22, text(1, type)),
    items === undefined ? empty : message(23, message(1, encodeSchema(items as Json))),
    properties === undefined ? empty : message(25, encodeSchemas(properties as Json)),
    encodeExtensions(31, schema),
  ]);
}

function encodeExtensions(field: number, object: Json): Buffer {
  const extensions = Object.entries(object).filter(([name]) => name.startsWith('x-'));
  return Buffer.concat(extensions.map(([name, value]) => message(field, text(1, name), message(2, any(value)))));
}

const empty = Buffer.alloc(0);

/** Encodes an `Any`. It contains YAML, and JSON is YAML. */
function any(value: unknown): Buffer {
  return text(2, JSON.stringify(value));
}

function text(field: number, value: unknown): Buffer {
  return value === undefined ? empty : message(field, Buffer.from(value as string));
}

function flag(field: number, value: unknown): Buffer {
  return value === true ? Buffer.concat([varint(field * 8), varint(1)]) : empty;
}

function message(field: number, ...content: Buffer[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([varint(field * 8 + 2), varint(length), ...content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
