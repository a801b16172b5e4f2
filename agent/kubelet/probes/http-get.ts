/**
 * One HTTP request of a probe or lifecycle hook. Certificates are not checked, redirects not followed to other hosts.
 *
 * Source: upstream `pkg/probe/http` (headers, limits, messages).
 */

import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { IntOrString } from '#api/json.ts';
import type { Container, HTTPGetAction } from '#api/types.generated.ts';
import { lookupWithoutThreads } from './lookup.ts';

const maxBodyBytes = 10 * 1024;
const maxRequests = 10;
/** How many answers 1xx may come before the final one, as in Go's HTTP client. */
const maxInformed = 5;
const maxHeaderBytes = 256 * 1024;

/** The answer to an HTTP probe. `status`: the HTTP status code. */
export interface HttpAnswer {
  status: number;
  /** The first 10 KiB of the body. */
  body: string;
}

/** The probe took longer than its timeout. The message is that of Go's HTTP client. */
export class TimeoutError extends Error {
  constructor(isReading: boolean) {
    super(
      isReading
        ? 'context deadline exceeded (Client.Timeout or context cancellation while reading body)'
        : 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    );
    this.name = 'TimeoutError';
  }
}

/**
 * The port's number; a name means the container port of that name. Pure.
 * @throws Error when the container has none of that name
 */
export function resolvePort(port: IntOrString, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  const value = named ?? Number(port);
  if (!Number.isInteger(value) || value <= 0 || value > 65535) throw new Error(`couldn't find port: ${port}`);
  return value;
}

/**
 * The URL of an HTTP probe or hook; the pod's address by default. Pure.
 * @throws Error when the container has no port of that name
 */
export function probeUrl(action: HTTPGetAction, container: Container, podIp: string): URL {
  const host = action.host === undefined || action.host === '' ? podIp : action.host;
  const scheme = (action.scheme ?? 'HTTP').toLowerCase();
  const path = action.path === undefined || action.path === '' ? '/' : action.path;
  return new URL(
    `${scheme}://${host.includes(':') ? `[${host}]` : host}:${resolvePort(action.port, container)}${path.startsWith('/') ? path : `/${path}`}`,
  );
}

function headersOf(action: HTTPGetAction, userAgent: string): OutgoingHttpHeaders {
  const own = Map.groupBy(action.httpHeaders ?? [], ({ name }) => name.toLowerCase());
  const given = Array.from(own, ([name, lines]): [string, string[] | string] => {
    const values = lines.map(({ value }) => value);
    return [name, values.length === 1 || name === 'host' ? (values[0] ?? '') : values];
  });
  const headers: OutgoingHttpHeaders = {
    'user-agent': userAgent,
    accept: '*/*',
    connection: 'close',
    ...Object.fromEntries(given),
  };
  if (headers['accept'] === '') delete headers['accept'];
  return headers;
}

const redirects = new Set([301, 302, 303, 307, 308]);

/** Sends the request, and follows redirects on the same host. @throws TimeoutError; Error when the connection fails */
export async function httpGet(action: HTTPGetAction, url: URL, userAgent: string, signal: AbortSignal): Promise<HttpAnswer> {
  let current = url;
  for (let requests = 1; ; requests++) {
    const { status, headers, body } = await once(current, headersOf(action, userAgent), signal);
    const { location } = headers;
    if (!redirects.has(status) || location === undefined || location === '') return { status, body };
    const next = URL.parse(location, current);
    if (next === null) throw new Error(`failed to parse Location header ${JSON.stringify(location)}`);
    // Nothing is sent to other hosts: the redirect itself is the answer, and counts as a warning.
    if (next.hostname !== url.hostname) return { status, body };
    if (next.protocol !== 'http:' && next.protocol !== 'https:')
      throw new Error(`unsupported protocol scheme ${JSON.stringify(next.protocol.slice(0, -1))}`);
    if (requests >= maxRequests) throw new Error(`stopped after ${maxRequests} redirects`);
    current = next;
  }
}

interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/**
 * Settles whatever the other side does: with the first 10 KiB of an answer, with its status when it switches protocols, or with an
 * error; when `signal` aborts at the latest. The connection is closed by then.
 */
function once(url: URL, headers: OutgoingHttpHeaders, signal: AbortSignal): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const options = {
    method: 'GET',
    headers,
    agent: false as const,
    maxHeaderSize: maxHeaderBytes,
    lookup: lookupWithoutThreads,
    rejectUnauthorized: false,
  };
  const outgoing = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
  let informed = 0;
  let isReading = false;
  const give = ({ statusCode: status = 0, headers }: IncomingMessage, body = Buffer.alloc(0)): void =>
    resolve({ status, headers, body: body.subarray(0, maxBodyBytes).toString('utf8') });

  outgoing.on('information', ({ statusCode, headers }) => {
    // Without an Upgrade in the request, Node treats 101 as an interim response and would wait for a final one.
    if (statusCode === 101) resolve({ status: 101, headers, body: '' });
    else if (++informed > maxInformed) reject(new Error('net/http: too many 1xx informational responses'));
  });
  outgoing.on('upgrade', (response, socket) => {
    socket.on('error', () => socket.destroy());
    socket.destroy();
    give(response);
  });
  outgoing.on('response', (response) => {
    isReading = true;
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= maxBodyBytes) give(response, Buffer.concat(chunks));
    });
    response.on('end', () => give(response, Buffer.concat(chunks)));
    // The request gets the same error and handles it.
    response.on('error', () => undefined);
  });
  const broke = (error: Error): void => reject(isReading ? new Error('unexpected EOF') : error);
  outgoing.on('error', broke);
  outgoing.on('close', () => broke(new Error('EOF')));
  const abort = (): void => reject(new TimeoutError(isReading));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  outgoing.end();
  return promise.finally(() => {
    signal.removeEventListener('abort', abort);
    outgoing.destroy();
  });
}
