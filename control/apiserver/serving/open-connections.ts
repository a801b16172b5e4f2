/** The connections of a listener, so that they can be closed in an orderly way: those that carry a request get time to finish it. */
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';

/** How often idle HTTP/1.1 connections are looked for while the listener closes. */
const idleCheckMs = 50;

/** All connections of the listener, so that a shutdown can end them. */
export class OpenConnections {
  readonly #http: Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Those that speak HTTP/1.1. */
  readonly #sockets = new Set<Duplex>();

  /** Follows the server's connections from now on. */
  constructor(http: Http2SecureServer) {
    this.#http = http;
    http.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
    });
    http.on('secureConnection', (socket) => {
      if (socket.alpnProtocol === 'h2') return;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** Accepts no more connections, and settles when the last one has ended. @param graceMs after this time, those that are left are cut off */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const session of this.#sessions) session.close();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
      for (const session of this.#sessions) session.destroy();
    }, graceMs);
    // A closed HTTP/2 session ends with its last stream; HTTP/1.1 connections that wait for a next request would stay for ever.
    const idle = setInterval(() => {
      for (const socket of this.#sockets) if (!busy.has(socket)) socket.destroy();
    }, idleCheckMs);
    await closed;
    clearTimeout(timer);
    clearInterval(idle);
  }
}

/** Sockets with a request or stream under way. */
const busy = new WeakMap<Duplex, number>();

/** A request begins on this connection. @returns a function to call when it has been answered */
export function occupy(socket: Duplex): () => void {
  busy.set(socket, (busy.get(socket) ?? 0) + 1);
  return () => {
    const left = (busy.get(socket) ?? 1) - 1;
    if (left > 0) busy.set(socket, left);
    else busy.delete(socket);
  };
}
