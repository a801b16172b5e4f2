/**
 * Limits of one connection, which protect the server from clients that have not authenticated: header sizes, timeouts, streams,
 * resets.
 *
 * Source: apiserver `pkg/server/secure_serving.go` (the numbers); Go `net/http`, `x/net/http2`; nghttp2 (rapid resets, CVE-2023-44487;
 * at most 8 CONTINUATION frames a header block; 1000 answers to pings and settings that are not read).
 */
import type { Http2SecureServer, SecureServerOptions, ServerHttp2Session } from 'node:http2';

/** `ReadHeaderTimeout`, TLS handshake included. */
const readHeaderTimeoutMs = 32_000;
/** `IdleTimeout`: between two requests on one connection. */
const idleTimeoutMs = 90_000;
/** `MaxHeaderBytes`. */
const maxHeaderBytes = 1 << 20;
/** `MaxUploadBufferPerStream`. */
const uploadBufferBytes = 256 * 1024;
/** Streams of one connection, as Go's `http2.Server` has it by default (upstream says 100). */
const maxConcurrentStreams = 250;
/**
 * From so many open streams on, a connection takes no more (GOAWAY), and its client opens another for its next requests.
 * Node counts a stream until its object is gone, some turns after the client has counted it as ended: a client that fills its
 * connection to the announced limit with watches would have its next request refused with ENHANCE_YOUR_CALM, which is no
 * error that clients retry. The rest up to the limit is for what is sent before the GOAWAY arrives.
 */
const crowdedStreams = 200;

/** How long a connection may take for what, in milliseconds. */
export interface ConnectionTimes {
  readHeaderMs: number;
  idleMs: number;
  /** Until all of a request's body has been received. */
  requestMs: number;
}

/** Upstream's; `requestMs` is `--request-timeout`. */
export const defaultTimes: ConnectionTimes = { readHeaderMs: readHeaderTimeoutMs, idleMs: idleTimeoutMs, requestMs: 60_000 };

/** The options of Node's server for these limits. */
export function connectionLimits({ readHeaderMs, idleMs, requestMs }: ConnectionTimes): SecureServerOptions {
  const http1 = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: Math.min(readHeaderMs, requestMs),
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(5_000, readHeaderMs),
  };
  return {
    ...http1,
    handshakeTimeout: readHeaderMs,
    settings: {
      maxConcurrentStreams,
      initialWindowSize: uploadBufferBytes,
      maxFrameSize: uploadBufferBytes,
      maxHeaderListSize: maxHeaderBytes,
    },
    // Go counts bytes alone; Node would refuse the 129th header.
    maxHeaderListPairs: 2_000,
    // Megabytes: answers wait here for clients that do not read, a piece for each stream.
    maxSessionMemory: 16,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    maxSettings: 32,
    maxOutstandingPings: 10,
    // Streams reset by the client: so many at once (Go: four times the concurrent ones), then so many a second; more ends the session.
    streamResetBurst: 400,
    streamResetRate: 33,
  } as SecureServerOptions;
}

/**
 * Closes HTTP/2 sessions that have had no stream for a while (Node has no such limit of its own), and lets those that have
 * very many end once these have ended.
 */
export function limitSessions(server: Http2SecureServer, { idleMs, readHeaderMs }: ConnectionTimes): void {
  server.on('session', (session: ServerHttp2Session) => {
    let open = 0;
    let timer = setTimeout(() => session.close(), readHeaderMs);
    session.on('stream', (stream) => {
      open++;
      clearTimeout(timer);
      if (open === crowdedStreams) session.close();
      stream.once('close', () => {
        open--;
        if (open > 0 || session.closed) return;
        timer = setTimeout(() => session.close(), idleMs);
      });
    });
    session.once('close', () => clearTimeout(timer));
  });
}
