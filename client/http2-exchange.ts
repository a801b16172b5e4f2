/**
 * Requests over one HTTP/2 session with TLS.
 *
 * Source: RFC 9113.
 */
import * as http2 from 'node:http2';
import { errorText } from '#api/error-text.ts';
import type { Clock } from './clock.ts';
import { type Exchange, plainHeaders } from './http-exchange.ts';
import { type Http2Options, SessionKeeper } from './http2-session.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';
import { TransportError } from './transport-error.ts';

/** An exchange with the server at `url`. All requests share one session. */
export function http2Exchange(url: URL, options: Http2Options, clock: Clock): Exchange {
  const sessions = new SessionKeeper(url, options, clock);
  return {
    close: () => sessions.close(),
    reconnect: () => sessions.reconnect(),
    async send(request) {
      const session = await sessions.open(request.signal);
      return await exchangeOn(session, url, request);
    },
  };
}

function exchangeOn(session: http2.ClientHttp2Session, url: URL, request: TransportRequest): Promise<TransportResponse> {
  return new Promise((resolve, reject) => {
    const broke = (error: Error): void =>
      reject(
        request.signal?.aborted === true
          ? request.signal.reason
          : new TransportError(`${url.origin}: ${error.message}`, { cause: error }),
      );
    const stream = session.request(
      {
        ':method': request.method,
        ':path': request.path,
        ...request.headers,
        ...(request.body === undefined ? {} : { 'content-length': String(request.body.byteLength) }),
      },
      { endStream: request.body === undefined, ...(request.signal === undefined ? {} : { signal: request.signal }) },
    );
    // This handler stays. An error after the headers also reaches the reader of the body.
    stream.on('error', broke);
    stream.once('close', () => broke(new Error('the connection closed before an answer came')));
    stream.once('response', (headers) =>
      resolve({
        status: Number(headers[':status'] ?? 0),
        headers: plainHeaders(headers),
        body: streamBody(stream, url, request.signal),
      }),
    );
    if (request.body !== undefined) stream.end(request.body);
  });
}

async function* streamBody(
  stream: http2.ClientHttp2Stream,
  url: URL,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
    // Node ends the iteration without an error when the session dies. An incomplete answer must be an error.
    if (!stream.readableEnded) throw new Error(`the stream broke off with code ${stream.rstCode}`);
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw new TransportError(`${url.origin}: ${errorText(error)}`, { cause: error });
  } finally {
    // When the reader stops early (a watch that is no longer needed), close the stream on both sides.
    if (!stream.destroyed) stream.close(http2.constants.NGHTTP2_CANCEL);
  }
}
