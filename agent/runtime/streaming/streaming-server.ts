/**
 * The streaming server for a runtime that has none of its own (Docker). It hands out one-time URLs, as containerd's does, and
 * serves exec, attach and port-forward on them over SPDY/3.1 or WebSockets. So the kubelet handles every runtime in the same way.
 *
 * Source: kubernetes kubelet pkg/kubelet/streaming. `spdy-streams.ts` and `websocket-streams.ts` implement the protocols.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { guardListener, httpLimits, requestTarget } from '#agent/host/listener.ts';
import type { Clock } from '#client/clock.ts';
import { serveSpdy } from './spdy-streams.ts';
import { refuse, type StreamRequest } from './stream-request.ts';
import { serveWebSocket } from './websocket-streams.ts';

/** A streaming server, see {@link createStreamingServer}. */
export interface StreamingServer {
  /**
   * Stores a request for a minute.
   * @param path `exec`, `attach` or `portforward`
   * @returns a URL that serves `request` once, within that minute
   */
  urlFor(path: string, request: StreamRequest): Promise<string>;
  close(): Promise<void>;
}

const tokenLifetimeMs = 60_000;

interface Pending {
  request: StreamRequest;
  /** Cancels the timer that drops the request. */
  cancel(): void;
}

/** Makes a streaming server. It listens on the loopback from the first URL on. */
export function createStreamingServer({ log, clock }: { log: Logger; clock: Clock }): StreamingServer {
  const requests = new Map<string, Pending>();
  const sockets = new Set<Duplex>();
  let listening: Promise<Server> | undefined;

  const upgrade = (message: IncomingMessage, socket: Duplex, head: Buffer): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', (error) => log.debug({ err: error }, 'streaming connection broke'));
    const request = take(requests, message);
    if (request === undefined) return refuse(socket, '404 Not Found', 'no such stream: its URL serves once, and for a minute');
    const serve = message.headers.upgrade?.toLowerCase() === 'websocket' ? serveWebSocket : serveSpdy;
    serve(request, message, socket, head).catch((error: Error) => {
      log.warn({ err: error, url: message.url?.replace(/[^/]+$/, '…') }, 'streaming failed');
      socket.destroy();
    });
  };

  async function listen(): Promise<Server> {
    const server = createServer(httpLimits, (request, response) => {
      request.resume();
      response.writeHead(400).end('a stream wants an upgrade to SPDY/3.1 or websocket\n');
    });
    server.on('upgrade', upgrade);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    // All connections come from this machine: the kubelet opens one per stream, so the limit per address is high.
    guardListener(server, 'streaming', { log, clock }, { perAddress: 4096 });
    server.unref();
    return server;
  }

  return {
    async urlFor(path, request) {
      // When listening fails, the next call tries it again.
      listening ??= listen().catch((error: unknown) => {
        listening = undefined;
        throw error;
      });
      const { port } = (await listening).address() as AddressInfo;
      const token = randomBytes(16).toString('base64url');
      requests.set(token, { request, cancel: clock.after(tokenLifetimeMs, () => requests.delete(token)) });
      return `http://127.0.0.1:${port}/${path}/${token}`;
    },
    async close() {
      const server = await listening?.catch(() => undefined);
      for (const { cancel } of requests.values()) cancel();
      requests.clear();
      for (const socket of sockets) socket.destroy();
      if (server !== undefined) await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Removes and returns the request that the last part of the URL names. A URL is valid for one use. */
function take(requests: Map<string, Pending>, message: IncomingMessage): StreamRequest | undefined {
  const token = requestTarget(message.url)?.path.split('/').at(-1) ?? '';
  const pending = requests.get(token);
  requests.delete(token);
  pending?.cancel();
  return pending?.request;
}
