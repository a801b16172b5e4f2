/**
 * `/openapi/v3`: the index of documents, and each document, cached by its hash.
 *
 * Source: kubernetes.io, "The Kubernetes API", OpenAPI v3; kube-openapi `pkg/handler3`.
 */
import { createHash } from 'node:crypto';
import type { OpenApi } from '#api/schema/openapi.ts';
import { notAcceptable } from '#api/status.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { parseRequestInfo } from './request-info.ts';
import { bytesResponse } from './responses.ts';

const root = '/openapi/v3';

/** For `ApiServerDeps.openapi`. Undefined for paths that have no document. */
export function openApiRoute(openapi: OpenApi): (request: TransportRequest) => Promise<TransportResponse | undefined> {
  return async (request) => {
    const { path, query } = parseRequestInfo(request.method, request.path);
    if (path !== root && !path.startsWith(`${root}/`)) return undefined;
    const name = path.slice(root.length + 1).replace(/\/$/, '');
    const bytes = name === '' ? openapi.index() : openapi.document(name);
    if (bytes === undefined) return undefined;
    if (!acceptsJson(request.headers['accept']))
      throw notAcceptable('only the following media types are accepted: application/json');
    const etag = `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"`;
    // A path with a hash names that very document: it may be kept for good.
    const caching = query.has('hash') ? { 'cache-control': 'public, immutable' } : { 'cache-control': 'no-cache, private' };
    const headers = { etag, vary: 'Accept', ...caching };
    if (request.headers['if-none-match'] === etag) return bytesResponse(304, 'application/json', new Uint8Array(), headers);
    return bytesResponse(200, 'application/json', bytes, headers);
  };
}

function acceptsJson(accept: string | undefined): boolean {
  return accept === undefined || accept === '' || /application\/json|application\/\*|\*\/\*/.test(accept);
}
