/**
 * The gRPC health protocol, `grpc.health.v1.Health/Check`, with its two messages of one field each written by hand.
 *
 * Source: grpc `doc/health-checking.md`; messages of upstream `pkg/probe/grpc/grpc.go`.
 */

import * as http2 from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '#api/error-text.ts';
import { joinHostPort } from '#api/ip.ts';
import { goDuration } from '../backoff.ts';
import type { ProbeOutcome } from './probe-outcome.ts';

const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
/** Codes of gRPC, by number. */
const codes = (
  'OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted ' +
  'FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated'
).split(' ');
type Code = 'DeadlineExceeded' | 'Unimplemented' | 'Internal' | 'Unavailable' | 'Unknown' | 'ResourceExhausted';

/** A call that ended with a status other than OK. */
class CallError extends Error {
  readonly code: string;
  constructor(code: string, details: string) {
    super(details);
    this.code = code;
  }
}

const reconnectMs = 1_000;
/** Limit of a response in bytes. A real response has a few bytes; a hostile server must not fill the memory. */
const maxAnswerBytes = 64 * 1024;
const prefixBytes = 5;

/** `HealthCheckRequest{ string service = 1 }`. */
function encodeRequest(service: string): Buffer {
  const text = Buffer.from(service);
  if (text.length === 0) return Buffer.alloc(0);
  const length: number[] = [];
  for (let rest = text.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.of(0x0a, ...length), text]);
}

/** `HealthCheckResponse{ ServingStatus status = 1 }`: a zero value is not on the wire. */
const decodeResponse = (bytes: Buffer): string => servingStatuses[bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0] ?? 'UNKNOWN';

/**
 * One check over HTTP/2 without TLS. Settles within `timeoutMs` whatever the server does, and leaves no connection behind: the
 * channel of a gRPC library, once closed, may still wait for a server that never speaks.
 */
export async function checkHealth(host: string, port: number, service: string, timeoutMs: number): Promise<ProbeOutcome> {
  const address = joinHostPort(host, port);
  const signal = AbortSignal.timeout(timeoutMs);
  const session = await connected(address, signal);
  if (session === undefined) {
    return {
      kind: 'failure',
      output: `timeout: failed to connect service "${address}" within ${goDuration(timeoutMs)}: context deadline exceeded`,
    };
  }
  try {
    const answer = decodeResponse(await call(session, service, timeoutMs, signal));
    return answer === 'SERVING'
      ? { kind: 'success' }
      : { kind: 'failure', output: `service unhealthy (responded with "${answer}")` };
  } catch (error) {
    return { kind: 'failure', output: failureText(error, timeoutMs) };
  } finally {
    session.destroy();
  }
}

/**
 * A session whose server has sent its settings. Failures are tried again, as Go's blocking dial does.
 * @returns undefined when `signal` aborts first
 */
async function connected(address: string, signal: AbortSignal): Promise<http2.ClientHttp2Session | undefined> {
  for (;;) {
    const session = await connectOnce(address, signal);
    if (session !== undefined) return session;
    await delay(reconnectMs, undefined, { signal }).catch(() => undefined); // An abort is seen in the next line.
    if (signal.aborted) return undefined;
  }
}

/** @returns the session once the server has sent its settings; undefined when that failed */
function connectOnce(address: string, signal: AbortSignal): Promise<http2.ClientHttp2Session | undefined> {
  const { promise, resolve } = Promise.withResolvers<http2.ClientHttp2Session | undefined>();
  const session = http2.connect(`http://${address}`, { settings: { enablePush: false }, maxSessionMemory: 1 });
  const giveUp = (): void => {
    session.destroy();
    resolve(undefined);
  };
  session.once('remoteSettings', () => resolve(session));
  session.on('error', giveUp);
  session.once('close', giveUp);
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  return promise.finally(() => signal.removeEventListener('abort', giveUp));
}

/** Calls Check. @returns the bytes of the answer's message. @throws CallError */
function call(session: http2.ClientHttp2Session, service: string, timeoutMs: number, signal: AbortSignal): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const fail = (code: Code, details: string): void => reject(new CallError(code, details));
  const abort = (): void => fail('DeadlineExceeded', 'context deadline exceeded');
  signal.addEventListener('abort', abort, { once: true });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'kube-probe/1.36',
    'grpc-timeout': `${timeoutMs}m`,
  });
  const message = encodeRequest(service);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  const chunks: Buffer[] = [];
  let length = 0;
  let status: http2.IncomingHttpHeaders = {};
  stream.on('response', (headers) => {
    if (headers[':status'] !== 200)
      return fail('Unknown', `unexpected HTTP status code received from server: ${headers[':status']}`);
    status = headers;
  });
  stream.on('trailers', (trailers) => {
    status = trailers;
  });
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxAnswerBytes) fail('ResourceExhausted', `received message larger than max (${length} vs. ${maxAnswerBytes})`);
  });
  stream.on('error', (error) => fail('Unavailable', error.message));
  stream.on('close', () => {
    const code = status['grpc-status'];
    if (code === undefined) return fail('Internal', 'server closed the stream without sending trailers');
    if (code !== '0') return reject(new CallError(codes[Number(code)] ?? `Code(${code})`, detailsOf(status)));
    const answer = Buffer.concat(chunks);
    const isWhole = answer.length >= prefixBytes && answer[0] === 0 && answer.readUInt32BE(1) === answer.length - prefixBytes;
    if (isWhole) resolve(answer.subarray(prefixBytes));
    else fail('Internal', 'the answer is not one message');
  });
  stream.end(Buffer.concat([prefix, message]));
  return promise.finally(() => signal.removeEventListener('abort', abort));
}

/** The text of `grpc-message`, which is percent-encoded; a text that cannot be decoded stays as it is. */
function detailsOf(trailers: http2.IncomingHttpHeaders): string {
  const text = String(trailers['grpc-message'] ?? '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function failureText(error: unknown, timeoutMs: number): string {
  if (!(error instanceof CallError)) return `error: health rpc probe failed: ${errorText(error)}`;
  if (error.code === 'Unimplemented')
    return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.message}`;
  if (error.code === 'DeadlineExceeded') return `timeout: health rpc did not complete within ${goDuration(timeoutMs)}`;
  return `error: health rpc probe failed: rpc error: code = ${error.code} desc = ${error.message}`;
}
