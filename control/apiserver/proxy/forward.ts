/**
 * Passes one request on to a backend and its answer back, both as they come; pages get their links rewritten.
 *
 * Source: apimachinery `pkg/util/proxy/{upgradeaware,transport}.go`.
 */
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createDeflate, createDeflateRaw, createGunzip, createGzip, createInflate, createInflateRaw } from 'node:zlib';
import { failure, internalError, serviceUnavailable } from '#api/status.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { maxInterimAnswers } from '#client/upgrade.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { type Backends, goNetworkError } from './backend.ts';
import { answerHeaders, forwardedHeaders } from './headers.ts';
import { rewriteHtml } from './html-links.ts';
import { escapePath, type LinkContext, rewriteLink } from './links.ts';
import { hostPort, type Location } from './location.ts';

/** Larger than Node's own limit: what a backend may say in its head, cookies and policies included. */
export const maxHeadBytes = 256 * 1024;

/** Where a proxied request goes, and with which path. */
export interface ForwardTarget {
  location: Location;
  /** Path without query, percent-encoded. */
  path: string;
  /** With its question mark; empty for none. */
  query: string;
  /** Where the proxy's own path ends: `/api/v1/nodes/n1/proxy`. */
  prefix: string;
  /** Additional headers with the sender's identity. */
  headers?: OutgoingHttpHeaders;
}

/** @throws ApiError 503 when there is no answer to be had */
export async function forward(
  backends: Backends,
  log: ServerLog,
  request: TransportRequest,
  target: ForwardTarget,
): Promise<TransportResponse> {
  const { location, path, query, prefix } = target;
  const headers: OutgoingHttpHeaders = { ...forwardedHeaders(request, escapePath(prefix) + path), ...target.headers };
  headers['host'] ??= hostPort(location);
  const response = await send(backends, log, request, location, path + query, headers);
  const { headers: plain, cookies } = answerHeaders(response.headers);
  const answer = { status: response.statusCode ?? 502, headers: plain, cookies };
  const links: LinkContext = { backendHost: hostPort(location), requestHost: request.headers['host'] ?? '', prefix };
  if (plain['location'] !== undefined && plain['location'] !== '') {
    const rewritten = rewriteLink(plain['location'], links);
    if (rewritten === undefined) {
      response.destroy();
      throw internalError(`error trying to parse Location header: parse ${JSON.stringify(plain['location'])}: invalid URL`);
    }
    plain['location'] = rewritten;
    return { ...answer, body: bodyOf(response) };
  }
  const isPage = (plain['content-type'] ?? '').split(';', 1)[0]?.trim() === 'text/html';
  const encoding = plain['content-encoding'] ?? '';
  if (!isPage || request.method === 'HEAD' || !['', 'gzip', 'deflate'].includes(encoding))
    return { ...answer, body: bodyOf(response) };
  delete plain['content-length'];
  return { ...answer, body: rewritten(response, encoding, links) };
}

function send(
  backends: Backends,
  log: ServerLog,
  request: TransportRequest,
  location: Location,
  path: string,
  headers: OutgoingHttpHeaders,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method, signal, stream } = request;
    // Node frames a body by itself for some methods only; without, what follows the head would pass for another request.
    if (stream !== undefined && headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked';
    const options = { method, path, headers, setHost: false, maxHeaderSize: maxHeadBytes };
    const { pool: agent, address: host, port } = location;
    const outgoing =
      agent === undefined
        ? httpRequest({ ...options, createConnection: () => backends.dial(location) })
        : httpsRequest({ ...options, agent, host, port });
    const leave = (): void => void outgoing.destroy();
    signal?.addEventListener('abort', leave, { once: true });
    outgoing.once('close', () => signal?.removeEventListener('abort', leave));
    let interim = 0;
    outgoing.on('information', () => {
      interim += 1;
      if (interim > maxInterimAnswers) outgoing.destroy(new Error('net/http: too many 1xx informational responses'));
    });
    outgoing.once('upgrade', (response, socket) => {
      socket.destroy();
      const protocol = JSON.stringify(response.headers.upgrade ?? '');
      reject(failure(500, '', `backend tried to switch protocol ${protocol} when "" was requested`));
    });
    outgoing.once('response', (response) => {
      // Node reports a 101 without Upgrade header as a normal response. Refuse it.
      if ((response.statusCode ?? 0) >= 200) return resolve(response);
      response.destroy();
      reject(failure(500, '', `backend answered ${response.statusCode} to a request that asked for no protocol`));
    });
    // An error after the answer began reaches its reader through the answer's own stream.
    outgoing.on('error', (error) =>
      reject(serviceUnavailable(`error trying to reach service: ${goNetworkError(error, location)}`)),
    );
    if (signal?.aborted === true) leave();
    if (stream === undefined) outgoing.end(request.body);
    else
      void pipeline(Readable.from(stream), outgoing).catch((error: unknown) => {
        // The client broke off, or the backend has answered without reading the whole body. The handlers of request and answer report it.
        log.debug({ err: error, path }, 'the body of a proxied request was not passed on to its end');
        outgoing.destroy();
      });
  });
}

/** Breaks off where the backend breaks off, so that half an answer does not pass for a whole one. */
async function* bodyOf(response: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } finally {
    response.destroy();
  }
}

async function* rewritten(response: IncomingMessage, encoding: string, links: LinkContext): AsyncGenerator<Uint8Array> {
  const rewrite = (url: string): string | undefined => rewriteLink(url, links);
  if (encoding === '') {
    yield* rewriteHtml(bodyOf(response), rewrite);
    return;
  }
  const { first, all } = await peeked(bodyOf(response));
  const [decode, encode] = coders(encoding, first);
  const through = Readable.from(rewriteHtml(passed(all, decode), rewrite), { objectMode: false });
  yield* passed(through, encode);
}

/** Clients mean zlib by `deflate`, as RFC 9110 says, and some the bare format; Go reads and writes the latter only. */
function coders(encoding: string, firstByte: number | undefined): [Transform, Transform] {
  if (encoding === 'gzip') return [createGunzip(), createGzip()];
  const isZlib = firstByte !== undefined && (firstByte & 0x0f) === 8;
  return isZlib ? [createInflate(), createDeflate()] : [createInflateRaw(), createDeflateRaw()];
}

async function* passed(source: AsyncIterable<Uint8Array>, through: Transform): AsyncGenerator<Uint8Array> {
  const failed = pipeline(Readable.from(source, { objectMode: false }), through);
  // It reaches the reader of `through`, too.
  failed.catch(() => undefined);
  yield* through as AsyncIterable<Uint8Array>;
  await failed;
}

async function peeked(
  source: AsyncGenerator<Uint8Array>,
): Promise<{ first: number | undefined; all: AsyncIterable<Uint8Array> }> {
  const head = await source.next();
  async function* all(): AsyncGenerator<Uint8Array> {
    if (head.done !== true) yield head.value;
    yield* source;
  }
  return { first: head.done === true ? undefined : head.value[0], all: all() };
}
