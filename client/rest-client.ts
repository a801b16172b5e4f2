/**
 * The typed client over a {@link Transport}: paths, JSON, Status errors and watch frames.
 *
 * Source: kubernetes.io, API concepts (paths, lists, watches, patch content types); client-go `rest/request.go` for the
 * texts of answers that carry no Status.
 */
import { parseExact, stringifyExact } from '#api/int64.ts';
import type { JsonObject } from '#api/json.ts';
import { parseSteps } from '#api/json-steps.ts';
import type { KubeList, KubeObject, ObjectName, WatchEvent } from '#api/meta.ts';
import { apiVersionOf } from '#api/meta.ts';
import { createResourceCatalog, type ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { ApiError, failure } from '#api/status.ts';
import type { DeleteOptions, Scale, Status, SubjectAccessReview, TokenRequest, TokenReview } from '#api/types.generated.ts';
import type { Client, ListOptions, Patch, ResourceClient, WatchOptions } from './client.ts';
import { type Clock, systemClock } from './clock.ts';
import { sharedParts } from './object-piece.ts';
import { withRetryAfter } from './retry-after.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';
import { inTurns } from './turns.ts';

/** Options of a client. */
export interface ClientOptions {
  /** Names the component to the server, which derives the field manager and log lines from it. */
  userAgent: string;
  /** The catalog of built-in resources; default: one with all of them. */
  catalog?: ResourceCatalog;
  /** Measures the waits before another attempt (`retry-after.ts`). Default: the system's clock. */
  clock?: Clock;
  /** Aborts when the component ends: from then on no request waits for another attempt. Requests are still sent. */
  signal?: AbortSignal;
}

const patchTypes: Record<Patch['type'], string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

type Query = Record<string, string | number | boolean | undefined>;
type Send = (
  method: string,
  path: string,
  body?: unknown,
  contentType?: string,
  signal?: AbortSignal,
  takesObjects?: boolean,
) => Promise<TransportResponse>;

const encoder = new TextEncoder();

/**
 * A client that speaks JSON, with 64-bit integers as they are (`api/int64.ts`). Stateless besides its transport. A request that the server
 * asks to send again later (429, or 5xx, with `Retry-After`) is sent again, at most ten times, as client-go does.
 */
export function createClient(
  transport: Transport,
  { userAgent, catalog = createResourceCatalog(), clock = systemClock, signal: ended }: ClientOptions,
): Client {
  const patient = withRetryAfter(transport, clock, ended);
  const send: Send = (method, path, body, contentType = 'application/json', signal, takesObjects) =>
    patient({
      method,
      path,
      headers: {
        accept: 'application/json',
        'user-agent': userAgent,
        ...(body === undefined ? {} : { 'content-type': contentType }),
      },
      ...(body === undefined ? {} : { body: encoder.encode(stringifyExact(body)) }),
      ...(signal === undefined ? {} : { signal }),
      ...(takesObjects === true ? { takesObjects } : {}),
    });
  const call = async <T>(...args: Parameters<Send>): Promise<T> => (await answer(await send(...args))) as T;

  return {
    resource: (id) => resourceClient(catalog.builtIn(id), send, call) as never,
    of: (resource) => resourceClient(resource, send, call),
    async bind(binding) {
      const { namespace, name = '' } = binding.metadata;
      await call('POST', path(catalog.builtIn('pods'), { namespace, name }, 'binding'), binding);
    },
    createToken: (serviceAccount, request) =>
      call<TokenRequest>('POST', path(catalog.builtIn('serviceaccounts'), serviceAccount, 'token'), {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        ...request,
      }),
    async reviewAccess(spec) {
      const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
      const answer = await call<SubjectAccessReview>('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', review);
      return answer.status ?? { allowed: false };
    },
    async reviewToken(spec) {
      const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec };
      const answer = await call<TokenReview>('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review);
      return answer.status ?? {};
    },
    getScale: (resource, name) =>
      call<Scale>('GET', path(typeof resource === 'string' ? catalog.builtIn(resource) : resource, name, 'scale')),
    raw: (request: TransportRequest) => patient({ ...request, headers: { 'user-agent': userAgent, ...request.headers } }),
  };
}

function resourceClient(
  resource: Resource,
  send: Send,
  call: <T>(...args: Parameters<Send>) => Promise<T>,
): ResourceClient<KubeObject> {
  const apiVersion = apiVersionOf(resource.group, resource.version);
  const named = <T extends KubeObject>(item: T): T => Object.assign(item, { apiVersion, kind: resource.kind });
  return {
    get: (name) => call('GET', path(resource, name)),
    async list(options: ListOptions = {}, signal?: AbortSignal) {
      const { namespace, shared, ...query } = options;
      const target = collection(resource, namespace) + queryText(query);
      const response = await send('GET', target, undefined, undefined, signal, shared);
      for await (const part of sharedParts(response) ?? []) if (part.kind === 'list') return part.list;
      const list = (await answer(response)) as KubeList<KubeObject>;
      // Items of a typed list come without apiVersion and kind; an empty list of a Go server may be null.
      return { ...list, items: (list.items ?? []).map(named) };
    },
    async *watch(options: WatchOptions, signal: AbortSignal): AsyncGenerator<WatchEvent<KubeObject>> {
      const { namespace, shared, ...query } = options;
      const target = collection(resource, namespace) + queryText({ watch: true, ...query });
      try {
        const response = await send('GET', target, undefined, undefined, signal, shared);
        if (response.status >= 400) await answer(response);
        const parts = sharedParts(response);
        if (parts === undefined) {
          for await (const line of lines(response.body)) {
            if (signal.aborted) return;
            yield watchEvent(await parsed(line));
          }
          return;
        }
        for await (const part of parts) {
          if (part.kind === 'error') throw new ApiError(part.status);
          if (part.kind === 'list') continue;
          for (const event of part.events) {
            if (signal.aborted) return;
            yield event;
          }
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    create: (object, options = {}) =>
      call(
        'POST',
        collection(resource, object.metadata.namespace, options.subresource, object.metadata.name) +
          queryText({ fieldManager: options.fieldManager }),
        {
          ...object,
          apiVersion,
          kind: resource.kind,
        },
      ),
    update: (object, options = {}) =>
      call(
        'PUT',
        path(resource, object.metadata, options.subresource) + queryText({ fieldManager: options.fieldManager }),
        object,
      ),
    updateStatus: (object) => call('PUT', path(resource, object.metadata, 'status'), object),
    patch: (name, patch, options = {}) =>
      call(
        'PATCH',
        path(resource, name, options.subresource) + queryText({ fieldManager: options.fieldManager, ...applyQuery(patch) }),
        patch.body,
        patchTypes[patch.type],
      ),
    async delete(name, options) {
      await call('DELETE', path(resource, name), deleteBody(options));
    },
    async deleteCollection(listOptions, options) {
      const { namespace, ...query } = listOptions;
      await call('DELETE', collection(resource, namespace) + queryText(query), deleteBody(options));
    },
  };
}

function applyQuery(patch: Patch): Query {
  return patch.type === 'apply' ? { fieldManager: patch.fieldManager, force: patch.force } : {};
}

function deleteBody(options: Partial<DeleteOptions> | undefined): JsonObject | undefined {
  return options === undefined ? undefined : { ...(options as JsonObject), apiVersion: 'v1', kind: 'DeleteOptions' };
}

/** `/apis/apps/v1/namespaces/default/deployments`; with a subresource of a named object also that. */
function collection(resource: Resource, namespace?: string, subresource?: string, name?: string): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope =
    resource.namespaced && namespace !== undefined && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const base = `${root}${scope}/${resource.plural}`;
  return subresource === undefined ? base : `${base}/${encodeURIComponent(name ?? '')}/${subresource}`;
}

function path(
  resource: Resource,
  name: { namespace?: string | undefined; name?: string | undefined } | ObjectName,
  subresource?: string,
): string {
  // An empty name would address the whole collection: a DELETE of one would become a DELETE of all.
  if (name.name === undefined || name.name === '') throw new Error(`${resource.id}: a request needs an object name`);
  const base = `${collection(resource, name.namespace)}/${encodeURIComponent(name.name)}`;
  return subresource === undefined ? base : `${base}/${subresource}`;
}

function queryText(query: Query): string {
  const pairs = Object.entries(query).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined);
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString()}`;
}

/** The whole body as text. */
export async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** @throws ApiError where the answer is an error, also one that carries no Status (a proxy's, a panic's). */
async function answer(response: TransportResponse): Promise<unknown> {
  const text = await readText(response.body);
  if (response.status < 400) return text === '' ? undefined : await parsed(text);
  throw apiError(response.status, text, response.headers['retry-after']);
}

function apiError(code: number, text: string, retryAfter: string | undefined): ApiError {
  const status = parseStatus(text);
  if (status !== undefined) return new ApiError({ ...status, code: status.code ?? code });
  const seconds = Number(retryAfter);
  return failure(
    code,
    reasons[code] ?? (code >= 500 ? 'InternalError' : 'Unknown'),
    text.trim() === ''
      ? `the server responded with the status code ${code} but did not return more information`
      : text.trim().slice(0, 2048),
    Number.isInteger(seconds) && seconds > 0 ? { retryAfterSeconds: seconds } : undefined,
  );
}

/** Reasons of codes as `NewGenericServerResponse` chooses them. */
const reasons: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function parseStatus(text: string): Status | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Status'
      ? (value as Status)
      : undefined;
  } catch {
    return undefined; // Not JSON: the text itself becomes the message.
  }
}

/** Splits at newlines, whatever the chunk boundaries, also within a UTF-8 sequence. Empty lines are left out. */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending: string[] = [];
  for await (const chunk of chunks) {
    const parts = decoder.decode(chunk, { stream: true }).split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) {
      const line = pending.join('') + part;
      pending = [];
      if (line.trim() !== '') yield line;
    }
    if (last !== '') pending.push(last);
  }
  const rest = pending.join('') + decoder.decode();
  // A frame that the connection cut off is lost: the watch resumes after the last whole event.
  if (rest.trim() !== '' && isJson(rest)) yield rest;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** In characters: a longer text is read in turns of the event loop. */
const largeText = 64 * 1024;

const parsed = (text: string): unknown => (text.length > largeText ? inTurns(parseSteps(text)) : parseExact(text));

function watchEvent(value: unknown): WatchEvent<KubeObject> {
  const event = value as { type: string; object: unknown };
  switch (event.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      return { type: event.type, object: event.object as KubeObject };
    case 'ERROR':
      throw new ApiError(event.object as Status);
    default:
      throw failure(500, 'InternalError', `watch: the server sent an event of unknown type ${JSON.stringify(event.type)}`);
  }
}
