/**
 * One HTTP request of a probe or lifecycle hook. Certificates are not checked, redirects not followed to other hosts.
 *
 * Source: upstream `pkg/probe/http` (headers, limits, messages).
 */

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { IntOrString } from '#api/json.ts';
import type { Container, HTTPGetAction } from '#api/types.generated.ts';

const maxBodyBytes = 10 * 1024;
const maxRedirects = 10;

export interface HttpAnswer {
  status: number;
  body: string;
  /** A redirect to another host, which is not followed. */
  redirectedAway: boolean;
}

/** A number, or the container port of that name. @throws Error */
export function resolvePort(port: IntOrString, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  const value = named ?? Number(port);
  if (!Number.isInteger(value) || value <= 0 || value > 65535) throw new Error(`couldn't find port: ${port}`);
  return value;
}

export function probeUrl(action: HTTPGetAction, container: Container, podIp: string): URL {
  const host = action.host === undefined || action.host === '' ? podIp : action.host;
  const scheme = (action.scheme ?? 'HTTP').toLowerCase();
  const path = action.path === undefined || action.path === '' ? '/' : action.path;
  return new URL(
    `${scheme}://${host.includes(':') ? `[${host}]` : host}:${resolvePort(action.port, container)}${path.startsWith('/') ? path : `/${path}`}`,
  );
}

function headersOf(action: HTTPGetAction, userAgent: string): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': userAgent, accept: '*/*', connection: 'close' };
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  if (headers['accept'] === '') delete headers['accept'];
  return headers;
}

/** @throws Error when the connection fails or time is up */
export async function httpGet(action: HTTPGetAction, url: URL, userAgent: string, signal: AbortSignal): Promise<HttpAnswer> {
  let current = url;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const answer = await once(current, headersOf(action, userAgent), signal);
    const location = answer.status >= 300 && answer.status < 400 ? answer.headers.location : undefined;
    if (location === undefined) return { status: answer.status, body: answer.body, redirectedAway: false };
    const next = new URL(location, current);
    if (next.hostname !== url.hostname) return { status: answer.status, body: answer.body, redirectedAway: true };
    current = next;
  }
  throw new Error(`stopped after ${maxRedirects} redirects`);
}

interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

function once(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const options = { method: 'GET', headers, agent: false as const, signal };
    const onResponse = (response: IncomingMessage): void => {
      const chunks: Buffer[] = [];
      let length = 0;
      const finish = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).subarray(0, maxBodyBytes).toString('utf8'),
        });
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length < maxBodyBytes) return;
        finish();
        response.destroy();
      });
      response.on('end', finish);
      response.on('error', reject);
    };
    const outgoing =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, rejectUnauthorized: false }, onResponse)
        : httpRequest(url, options, onResponse);
    outgoing.on('error', reject);
    outgoing.end();
  });
}
