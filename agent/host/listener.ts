/**
 * What every listener of the agent has in common: anybody who reaches the port may send anything, stay silent, or come a thousand times, and
 * the others are answered all the same.
 */
import type { Server as NetServer, Socket } from 'node:net';
import type { Logger } from 'pino';

/** For the `createServer` of node:http and node:https. Milliseconds; a keep-alive connection may be silent as long as upstream's kubelet allows. */
export const httpLimits = {
  headersTimeout: 20_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 90_000,
  connectionsCheckingInterval: 5_000,
} as const;

export interface ListenerLimits {
  /** Connections at one time. Default 4096. */
  total?: number | undefined;
  /** Connections of one address at one time: one pod cannot take all of them. Default 256. */
  perAddress?: number | undefined;
}

export interface ListenerGuard {
  /** A connection that has shown who it is does not count any more. */
  trust(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): void;
}

const defaultTotal = 4096;
const defaultPerAddress = 256;
/** A flood writes one line of the log in this time. */
const tellAgainMs = 10_000;

/**
 * Limits the connections, and takes the errors of a server that listens already: without a listener they would end the process, and most
 * mean no more than that there was no file descriptor for one more connection.
 */
export function guardListener(
  server: NetServer,
  name: string,
  { log, clock }: { log: Logger; clock: { monotonic(): number } },
  { total = defaultTotal, perAddress = defaultPerAddress }: ListenerLimits = {},
): ListenerGuard {
  const open = new Map<string, number>();
  const releases = new Map<string, () => void>();
  let toldMs = Number.NEGATIVE_INFINITY;
  const tell = (fields: object, message: string): void => {
    if (clock.monotonic() - toldMs < tellAgainMs) return;
    toldMs = clock.monotonic();
    log.warn({ listener: name, ...fields }, message);
  };
  server.maxConnections = total;
  server.on('drop', () => tell({ total }, 'connections are refused: there are too many'));
  server.on('error', (error) => tell({ err: error }, 'a connection could not be accepted'));
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress;
    // It has gone already.
    if (address === undefined) return void socket.destroy();
    const count = (open.get(address) ?? 0) + 1;
    if (count > perAddress) {
      tell({ address, perAddress }, 'connections are refused: their address has too many');
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

export interface RequestTarget {
  /** As it came, still percent-encoded; without scheme and host where the client sent an absolute form. */
  path: string;
  query: URLSearchParams;
}

/** The parts of a request's target. `undefined`: it names no path (`*`, `host:443`, nonsense). Takes any text. */
export function requestTarget(target: string | undefined): RequestTarget | undefined {
  const [, path = '', query = ''] = /^(?:[a-z][a-z0-9+.-]*:\/\/[^/?#]*)?([^?#]*)(?:\?([^#]*))?/i.exec(target ?? '') ?? [];
  const absolute = path === '' && target !== undefined && target !== '' && !target.startsWith('?') ? '/' : path;
  return absolute.startsWith('/') ? { path: absolute, query: new URLSearchParams(query) } : undefined;
}

/** The parts of a path between its slashes, decoded. `undefined`: a percent sign stands where it may not. */
export function pathSegments(path: string): string[] | undefined {
  try {
    return path.split('/').slice(1).map(decodeURIComponent);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
