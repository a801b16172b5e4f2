/**
 * The HTTP servers that report the proxy's health: healthz for load balancers of the node, and one small server per health check
 * node port.
 */

import { createServer, type RequestListener, type Server } from 'node:http';
import type { Logger } from 'pino';
import { guardListener, httpLimits, requestTarget } from '#agent/host/listener.ts';
import { toError } from '#api/error-text.ts';
import type { IpFamily } from '#api/ip.ts';
import type { Clock } from '#client/clock.ts';
import { proxyMetrics } from './metrics.ts';

/** Tracks whether changes are written in time. */
export interface ProxyHealthTracker {
  /** A change waits to be written. */
  queued(family: IpFamily): void;
  /** Everything that was queued is written. */
  updated(family: IpFamily): void;
  health(): ProxyHealth;
}

/** The body of the health endpoints. Order and names of the fields are upstream's; times are RFC 3339. */
export interface ProxyHealth {
  lastUpdated: string;
  currentTime: string;
  nodeEligible?: boolean;
  healthy: boolean;
  status: Partial<Record<IpFamily, { lastUpdated: string; healthy: boolean }>>;
}

/** Makes a tracker. It is healthy unless a change has waited for longer than `timeoutMs` (upstream: two sync periods). */
export function createHealthTracker(clock: Clock, timeoutMs: number): ProxyHealthTracker {
  const updatedMs = new Map<IpFamily, number>();
  const queuedMs = new Map<IpFamily, number>();
  return {
    queued(family) {
      if (!queuedMs.has(family)) queuedMs.set(family, clock.now());
    },
    updated(family) {
      queuedMs.delete(family);
      updatedMs.set(family, clock.now());
    },
    health() {
      const now = clock.now();
      const late = (family: IpFamily): boolean => now - (queuedMs.get(family) ?? now) >= timeoutMs && queuedMs.has(family);
      const families = [...updatedMs].sort(([a], [b]) => (a < b ? -1 : 1));
      return {
        lastUpdated: goTime(updatedMs.size === 0 ? undefined : Math.max(...updatedMs.values())),
        currentTime: goTime(now),
        healthy: families.every(([family]) => !late(family)),
        status: Object.fromEntries(
          families.map(([family, atMs]) => [family, { lastUpdated: goTime(atMs), healthy: !late(family) }]),
        ),
      };
    },
  };
}

/** A time as Go's time.Time marshals it: nanoseconds without trailing zeros. Undefined gives Go's zero time. */
function goTime(atMs: number | undefined): string {
  if (atMs === undefined) return '0001-01-01T00:00:00Z';
  return new Date(atMs).toISOString().replace(/\.?0*Z$/, 'Z');
}

/** Makes an HTTP server for any client. A client that misbehaves affects neither other clients nor the process. */
export function createHealthServer(name: string, handler: RequestListener, deps: { log: Logger; clock: Clock }): Server {
  // Replies are short. A client that does not read its reply, or sends nothing, is disconnected.
  const server = createServer({ ...httpLimits, keepAliveTimeout: silenceMs }, handler);
  server.timeout = silenceMs;
  guardListener(server, name, deps);
  return server;
}

const silenceMs = 30_000;

/**
 * Handles `/healthz` (which also depends on whether the node may get traffic) and `/livez`: 200 or 503, with the state as JSON.
 */
export function healthHandler(tracker: ProxyHealthTracker, nodeEligible: () => boolean): RequestListener {
  return (request, response) => {
    request.resume();
    const path = requestTarget(request.url)?.path;
    if (path !== '/healthz' && path !== '/livez') {
      response
        .writeHead(404, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' })
        .end('404 page not found\n');
      return;
    }
    const { lastUpdated, currentTime, healthy, status } = tracker.health();
    const eligible = path === '/healthz' ? { nodeEligible: nodeEligible() } : {};
    const ok = healthy && (eligible.nodeEligible ?? true);
    // `lastUpdated` is the current time while the proxy is healthy, even when there was nothing to write. Older readers of the
    // field expect it to be recent.
    const body: ProxyHealth = { lastUpdated: ok ? currentTime : lastUpdated, currentTime, ...eligible, healthy, status };
    (path === '/healthz' ? proxyMetrics.healthz : proxyMetrics.livez).inc({ code: ok ? 200 : 503 });
    response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
    response.end(JSON.stringify(body));
  };
}

/** The health check servers of all services. */
export interface ServiceHealthServers {
  /** Opens and closes servers, so that exactly those of `services` (by `namespace/name`) listen. Calls must not overlap. */
  sync(services: ReadonlyMap<string, { port: number; localEndpoints: number }>): Promise<void>;
  close(): Promise<void>;
}

/**
 * Makes the health check servers: one HTTP server per Service of type LoadBalancer with external policy Local, on its health
 * check node port. It answers 200 while this node has ready endpoints of the Service. `failed` is told of a port that could not
 * be opened; the next sync tries it again.
 */
export function createServiceHealthServers(
  tracker: ProxyHealthTracker,
  deps: { log: Logger; clock: Clock },
  failed: (service: string, port: number, error: Error) => void,
  host = '0.0.0.0',
): ServiceHealthServers {
  const open = new Map<string, { server: Server; port: number; localEndpoints: number }>();

  async function closeOne(service: string): Promise<void> {
    const entry = open.get(service);
    open.delete(service);
    if (entry !== undefined) await closeServer(entry.server);
  }

  async function openOne(service: string, port: number, localEndpoints: number): Promise<void> {
    const handler: RequestListener = (request, response) => {
      request.resume();
      answer(service, open.get(service)?.localEndpoints ?? 0, tracker.health().healthy, response);
    };
    const server = createHealthServer(`health check of ${service}`, handler, deps);
    try {
      await listen(server, host, port);
      open.set(service, { server, port, localEndpoints });
    } catch (error) {
      failed(service, port, toError(error));
    }
  }

  return {
    async sync(services) {
      for (const [service, { port }] of open) if (services.get(service)?.port !== port) await closeOne(service);
      for (const [service, { port, localEndpoints }] of services) {
        const known = open.get(service);
        if (known === undefined) await openOne(service, port, localEndpoints);
        else known.localEndpoints = localEndpoints;
      }
    },
    async close() {
      for (const service of open.keys()) await closeOne(service);
    },
  };
}

function answer(service: string, localEndpoints: number, healthy: boolean, response: Parameters<RequestListener>[1]): void {
  const [namespace, name] = service.split('/');
  response.writeHead(localEndpoints > 0 && healthy ? 200 : 503, {
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    'x-load-balancing-endpoint-weight': String(localEndpoints),
  });
  // Upstream indents the body with tabs.
  response.end(JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: healthy }, undefined, '\t'));
}

/** Resolves once `server` listens. @throws the error of listen(2) (port taken, no permission) */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

/** Stops listening, closes all connections, and resolves when the server is closed. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
