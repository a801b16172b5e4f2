/** `/openapi/v3` and below. */
import type { OpenApi } from '#api/schema/openapi.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { bytesResponse } from './responses.ts';

/** @returns undefined for a path that has no document */
export async function serveOpenApi(openApi: OpenApi, { method, path }: TransportRequest): Promise<TransportResponse | undefined> {
  const { pathname } = new URL(path, 'http://localhost');
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const bytes =
    pathname.replace(/\/$/, '') === '/openapi/v3' ? openApi.index() : openApi.document(pathname.slice('/openapi/v3/'.length));
  return bytes === undefined || !pathname.startsWith('/openapi/v3') ? undefined : bytesResponse(200, 'application/json', bytes);
}
