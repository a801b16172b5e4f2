/**
 * Headers that a proxied request and its answer carry.
 *
 * Source: Go's `httputil.ReverseProxy`, apimachinery `pkg/util/proxy/{transport,upgradeaware}.go`, apiserver's filters (which take the
 * client's credentials off).
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { TransportRequest } from '#client/transport.ts';

/** Of one hop only (RFC 9110, 7.6.1). */
const hopHeaders = [
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
const corsHeaders = [
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
];

/** The client's headers without what was for the API server alone: who it is, whom it acts as. */
function ownHeaders({ headers, remoteAddress }: TransportRequest): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name]) =>
      name !== 'authorization' && name !== 'expect' && !name.startsWith('impersonate-') && !name.startsWith('x-remote-'),
  );
  const forwarded = [headers['x-forwarded-for'], remoteAddress].filter((part) => part !== undefined && part !== '').join(', ');
  return { ...Object.fromEntries(kept), ...(forwarded === '' ? {} : { 'x-forwarded-for': forwarded }) };
}

/** For an ordinary request. Pure. */
export function forwardedHeaders(request: TransportRequest, forwardedUri: string): Record<string, string> {
  const headers = without(ownHeaders(request), namedByConnection(request.headers['connection']));
  return { ...headers, 'x-forwarded-uri': forwardedUri };
}

/** For a request that asks to switch protocols: how it asks is between client and backend. Pure. */
export function upgradeHeaders(request: TransportRequest): Record<string, string> {
  return without(ownHeaders(request), ['transfer-encoding', 'content-length', 'te', 'trailer']);
}

/** A backend's headers for the client; `Set-Cookie` cannot be joined to one. Pure. */
export function answerHeaders(headers: IncomingHttpHeaders): { headers: Record<string, string>; cookies: readonly string[] } {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && name !== 'set-cookie') plain[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const dropped = [...namedByConnection(headers.connection), ...corsHeaders];
  return { headers: without(plain, dropped), cookies: headers['set-cookie'] ?? [] };
}

const namedByConnection = (connection: string | undefined): string[] => [
  ...hopHeaders,
  ...(connection ?? '').split(',').map((name) => name.trim().toLowerCase()),
];

function without(headers: Record<string, string>, names: readonly string[]): Record<string, string> {
  const dropped = new Set(names);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)));
}
