/** The API server's own requests to a kubelet: nothing of the client's goes with them. Source: apiserver `generic/rest/streamer.go`. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { failure } from '#api/status.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { type Backends, goNetworkError } from './backend.ts';
import { hostPort, type Location } from './location.ts';

/** @throws ApiError 500 with Go's text when there is no answer */
export async function requestKubelet(
  backends: Backends,
  log: ServerLog,
  location: Location,
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ status: number; body: AsyncIterable<Uint8Array> }> {
  const host = hostPort(location);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(failure(500, '', `Get "https://${host}${path}": ${goNetworkError(error, location)}`));
    const outgoing = httpRequest({ path, headers: { host }, createConnection: () => backends.dial(location) });
    const leave = (): void => void outgoing.destroy();
    signal?.addEventListener('abort', leave, { once: true });
    outgoing.once('close', () => signal?.removeEventListener('abort', leave));
    outgoing.on('error', fail);
    outgoing.once('response', (found) => {
      if ((found.statusCode ?? 0) >= 200) return resolve(found);
      found.destroy();
      fail(new Error(`the kubelet answered ${found.statusCode}`));
    });
    outgoing.once('upgrade', (_response, socket) => {
      socket.destroy();
      fail(new Error('the kubelet switched protocols unasked'));
    });
    outgoing.end();
    if (signal?.aborted === true) leave();
  });
  return { status: response.statusCode ?? 502, body: bodyOf(response, signal, log) };
}

/** A log that breaks off ends: its reader has what there was, as upstream gives it. */
async function* bodyOf(response: IncomingMessage, signal: AbortSignal | undefined, log: ServerLog): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (signal?.aborted !== true) log.info({ err: error }, 'a stream from a kubelet broke off');
  } finally {
    response.destroy();
  }
}
