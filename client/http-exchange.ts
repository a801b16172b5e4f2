/** What the two HTTP versions have in common: an exchange of requests and responses with one server. */
import type { IncomingHttpHeaders } from 'node:http';
import type { IncomingHttpHeaders as Http2Headers } from 'node:http2';
import type { TransportRequest, TransportResponse } from './transport.ts';

/** Sends requests to one server. */
export interface Exchange {
  send(request: TransportRequest): Promise<TransportResponse>;
  close(): void;
  reconnect(): void;
}

/** The headers without HTTP/2's pseudo-headers. Several values of one name are joined with commas. */
export function plainHeaders(headers: IncomingHttpHeaders | Http2Headers): Record<string, string> {
  const pairs = Object.entries(headers).filter(([name, value]) => value !== undefined && !name.startsWith(':'));
  return Object.fromEntries(pairs.map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : String(value)]));
}
