/**
 * The OpenAPI v3 document of an aggregated server's group and version. If a server publishes only v2, its part of that document is
 * converted.
 *
 * Source: kube-aggregator `pkg/controllers/openapiv3/aggregator`; kube-openapi `pkg/openapiconv`.
 */
import { isJsonObject, type JsonObject, type JsonValue } from '#api/json.ts';
import { createOpenApiV2 } from '#api/schema/openapi-v2.ts';
import { parsed, RemoteAnswerError, type RemoteReader } from './remote-answer.ts';
import type { RemoteService } from './remote-services.ts';

const timeoutMs = 30_000;

/** The document; undefined if the server publishes none. @throws RemoteAnswerError also for an invalid document */
export async function remoteOpenApi(service: RemoteService, reader: RemoteReader): Promise<Uint8Array | undefined> {
  const path = `apis/${service.spec.group}/${service.spec.version}`;
  const accept = { accept: 'application/json' };
  const { status, body } = await reader.get(service, `/openapi/v3/${path}`, accept, timeoutMs);
  if (status === 200) return checked(path, body);
  if (status !== 404) throw new RemoteAnswerError(`GET /openapi/v3/${path}: status ${status}`);
  const older = await reader.get(service, '/openapi/v2', accept, timeoutMs);
  if (older.status === 404) return undefined;
  if (older.status !== 200) throw new RemoteAnswerError(`GET /openapi/v2: status ${older.status}`);
  const document = parsed(older.body);
  if (!isJsonObject(document)) throw new RemoteAnswerError('GET /openapi/v2: not a document');
  return checked(path, Buffer.from(JSON.stringify(asV3(document, `/${path}/`))));
}

/** `/openapi/v2` is built from all documents, so an invalid one would break it for all clients. Therefore each is tried first. */
function checked(path: string, bytes: Uint8Array): Uint8Array {
  try {
    createOpenApiV2({
      version: () => bytes,
      index: () => Buffer.from(JSON.stringify({ paths: { [path]: {} } })),
      document: () => bytes,
      customSchemas: () => new Map(),
    }).protobuf();
    return bytes;
  } catch (error) {
    throw new RemoteAnswerError(`the OpenAPI document of ${path} cannot be read`, { cause: error });
  }
}

/** The part of a v2 document below a path, with the definitions that it refers to. Pure. */
export function asV3(document: JsonObject, prefix: string): JsonObject {
  const { paths = {}, definitions = {}, info = {}, securityDefinitions } = document;
  const wanted = Object.entries(paths as JsonObject).filter(([path]) => `${path}/`.startsWith(prefix));
  const converted = Object.fromEntries(wanted.map(([path, item]) => [path, pathItem(item as JsonObject)]));
  const names = new Set<string>();
  const all = definitions as JsonObject;
  const reach = (value: JsonValue): void => {
    for (const name of references(value)) {
      if (names.has(name) || !Object.hasOwn(all, name)) continue;
      names.add(name);
      reach(all[name] as JsonValue);
    }
  };
  for (const [, item] of wanted) reach(item ?? null);
  const schemas = Object.fromEntries([...names].sort().map((name) => [name, redirected(all[name] as JsonValue)]));
  const securitySchemes = securityDefinitions === undefined ? {} : { securitySchemes: securityDefinitions };
  return { openapi: '3.0.0', info, paths: converted, components: { schemas, ...securitySchemes } };
}

const definitionPrefix = '#/definitions/';

function references(value: JsonValue): string[] {
  const found: string[] = [];
  JSON.stringify(value, (key, inner: unknown) => {
    if (key === '$ref' && typeof inner === 'string' && inner.startsWith(definitionPrefix))
      found.push(inner.slice(definitionPrefix.length));
    return inner;
  });
  return found;
}

function redirected(value: JsonValue): JsonValue {
  return JSON.parse(JSON.stringify(value), (key, inner: unknown) =>
    key === '$ref' && typeof inner === 'string' ? inner.replace(definitionPrefix, '#/components/schemas/') : inner,
  ) as JsonValue;
}

function pathItem({ parameters, ...operations }: JsonObject): JsonObject {
  const converted = Object.entries(operations).map(([verb, one]) => [verb, operation(one as JsonObject)]);
  return {
    ...Object.fromEntries(converted),
    ...(parameters === undefined ? {} : { parameters: (parameters as JsonObject[]).map(parameter) }),
  };
}

function operation({
  parameters = [],
  consumes = [],
  produces = [],
  responses = {},
  schemes: _schemes,
  ...rest
}: JsonObject): JsonObject {
  const all = parameters as JsonObject[];
  const body = all.find((one) => one['in'] === 'body');
  const plain = all.filter((one) => one !== body);
  return {
    ...rest,
    ...(plain.length === 0 ? {} : { parameters: plain.map(parameter) }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            content: content(consumes as string[], body['schema']),
            ...(body['required'] === true ? { required: true } : {}),
          },
        }),
    responses: Object.fromEntries(
      Object.entries(responses as JsonObject).map(([code, answer]) => {
        const { description = '', schema } = answer as JsonObject;
        return [code, { description, ...(schema === undefined ? {} : { content: content(produces as string[], schema) }) }];
      }),
    ),
  };
}

function content(types: readonly string[], schema: JsonValue | undefined): JsonObject {
  const media = types.length === 0 ? ['*/*'] : types;
  return Object.fromEntries(media.map((type) => [type, { schema: redirected(schema ?? {}) }]));
}

/** In v3 the type of a parameter is in a schema of its own. */
function parameter({ type, format, items, uniqueItems, ...rest }: JsonObject): JsonObject {
  const schema = { type, format, items, uniqueItems };
  return { ...rest, schema: JSON.parse(JSON.stringify(schema)) as JsonObject };
}
