/**
 * What every listener of the agent shares. Any client that reaches the port may send any bytes, stay silent, or open a thousand
 * connections. Other clients must still be answered.
 */
import type { Server as NetServer, Socket } from 'node:net';
import type { Logger } from 'pino';

/**
 * Options for `createServer` of node:http and node:https, in milliseconds. A keep-alive connection may be idle as long as
 * upstream's kubelet allows.
 */
export const httpLimits = {
  headersTimeout: 20_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 90_000,
  connectionsCheckingInterval: 5_000,
} as const;

/** Limits of the connections of one listener. */
export interface ListenerLimits {
  /** Limit of open connections. Default 4096. */
  total?: number | undefined;
  /** Limit of open connections per client address, so that one pod cannot take all of them. Default 256. */
  perAddress?: number | undefined;
}

/** Counts the connections of a listener. */
export interface ListenerGuard {
  /** Stops counting this connection: its client has authenticated. */
  trust(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): void;
}

const defaultTotal = 4096;
const defaultPerAddress = 256;
/** A flood of connections is logged once in this time. */
const warningIntervalMs = 10_000;

/**
 * Limits the connections of a server that already listens, and handles its `error` events. Without a handler they would end the
 * process, while most of them mean only that there was no file descriptor for a new connection.
 */
export function guardListener(
  server: NetServer,
  name: string,
  { log, clock }: { log: Logger; clock: { monotonic(): number } },
  { total = defaultTotal, perAddress = defaultPerAddress }: ListenerLimits = {},
): ListenerGuard {
  const open = new Map<string, number>();
  const releases = new Map<string, () => void>();
  let lastWarningMs = Number.NEGATIVE_INFINITY;
  const warn = (fields: object, message: string): void => {
    if (clock.monotonic() - lastWarningMs < warningIntervalMs) return;
    lastWarningMs = clock.monotonic();
    log.warn({ listener: name, ...fields }, message);
  };
  server.maxConnections = total;
  server.on('drop', () => warn({ total }, 'connections are refused: there are too many'));
  server.on('error', (error) => warn({ err: error }, 'a connection could not be accepted'));
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress;
    // The client has closed the connection already.
    if (address === undefined) return void socket.destroy();
    const count = (open.get(address) ?? 0) + 1;
    if (count > perAddress) {
      warn({ address, perAddress }, 'connections are refused: their address has too many');
      return void socket.destroy();
    }
    open.set(address, count);
    const key = keyOf(socket);
    const release = (): void => {
      if (!releases.delete(key)) return;
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    };
    releases.set(key, release);
    socket.once('close', release);
  });
  return { trust: (socket) => releases.get(keyOf(socket))?.() };
}

const keyOf = ({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string =>
  `${remoteAddress} ${remotePort}`;

/** The target of an HTTP request, split at the question mark. */
export interface RequestTarget {
  /** The path as sent, still percent-encoded. Scheme and host of an absolute-form target are removed. */
  path: string;
  query: URLSearchParams;
}

/** Splits a request's target. `undefined` when it names no path (`*`, `host:443`, malformed text). Never throws. */
export function requestTarget(target: string | undefined): RequestTarget | undefined {
  const [, path = '', query = ''] = /^(?:[a-z][a-z0-9+.-]*:\/\/[^/?#]*)?([^?#]*)(?:\?([^#]*))?/i.exec(target ?? '') ?? [];
  const absolute = path === '' && target !== undefined && target !== '' && !target.startsWith('?') ? '/' : path;
  return absolute.startsWith('/') ? { path: absolute, query: new URLSearchParams(query) } : undefined;
}

/** The segments of a path between its slashes, percent-decoded. `undefined` when a percent escape is malformed. */
export function pathSegments(path: string): string[] | undefined {
  try {
    return path.split('/').slice(1).map(decodeURIComponent);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
