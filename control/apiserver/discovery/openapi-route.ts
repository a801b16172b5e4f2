/**
 * `/openapi/v3`: the index of documents, and each document, cached by its hash. `/openapi/v2`: all kinds in one document, for older clients.
 *
 * Source: kubernetes.io, "The Kubernetes API", OpenAPI v3; kube-openapi `pkg/handler3`.
 */
import { createHash } from 'node:crypto';
import type { OpenApi } from '#api/schema/openapi.ts';
import { createOpenApiV2 } from '#api/schema/openapi-v2.ts';
import { notAcceptable } from '#api/status.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { inTurns } from '#client/turns.ts';
import { parseRequestInfo } from '../rest/request-info.ts';
import { bytesResponse } from '../rest/responses.ts';

const root = '/openapi/v3';
const protobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** For `ApiServerDeps.openapi`. Undefined for other paths. */
export function openApiRoute(openapi: OpenApi): (request: TransportRequest) => Promise<TransportResponse | undefined> {
  const v2 = createOpenApiV2(openapi);
  /** The documents that are being built. Concurrent requests for the same state of the server share them. */
  const under = new Map<string, { of: unknown; made: Promise<Uint8Array> }>();
  const whole = (form: 'json' | 'protobuf'): Promise<Uint8Array> => {
    const of = openapi.version();
    const before = under.get(form);
    if (before !== undefined && before.of === of) return before.made;
    const made = inTurns(v2.steps(form)).finally(() => {
      if (under.get(form)?.made === made) under.delete(form);
    });
    under.set(form, { of, made });
    return made;
  };
  return async (request) => {
    const { path, query } = parseRequestInfo(request.method, request.path);
    const accept = request.headers['accept'];
    if (path === '/openapi/v2') {
      const isProtobuf = wantsProtobuf(accept);
      const type = isProtobuf ? protobufType : json(accept);
      return answer(request, type, await whole(isProtobuf ? 'protobuf' : 'json'));
    }
    if (path !== root && !path.startsWith(`${root}/`)) return undefined;
    const name = path.slice(root.length + 1).replace(/\/$/, '');
    const bytes = name === '' ? openapi.index() : openapi.document(name);
    if (bytes === undefined) return undefined;
    // A path with a hash names an immutable document, which may be cached forever.
    return answer(request, json(accept), bytes, query.has('hash') ? 'public, immutable' : undefined);
  };
}

function answer(request: TransportRequest, type: string, bytes: Uint8Array, caching = 'no-cache, private'): TransportResponse {
  const etag = `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"`;
  const headers = { etag, vary: 'Accept', 'cache-control': caching };
  if (request.headers['if-none-match'] === etag) return bytesResponse(304, type, new Uint8Array(), headers);
  return bytesResponse(200, type, bytes, headers);
}

/** kubectl sends `spec.v2@v1.0`, which is not a valid media type. */
function wantsProtobuf(accept: string | undefined): boolean {
  return /application\/com\.github\.proto-openapi\.spec\.v2[.@]v1\.0\+protobuf/.test(accept ?? '');
}

/** @throws ApiError 406 */
function json(accept: string | undefined): string {
  if (!acceptsJson(accept)) throw notAcceptable('only the following media types are accepted: application/json');
  return 'application/json';
}

function acceptsJson(accept: string | undefined): boolean {
  return accept === undefined || accept === '' || /application\/json|application\/\*|\*\/\*/.test(accept);
}
