/**
 * Routes requests that have passed all filters: to resources, proxied subresources, and the fixed paths (health, version, metrics, OpenAPI,
 * discovery).
 */
import { apiVersionOf } from '#api/meta.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import { requestTooLarge } from '#api/status.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { ApiServerDeps, ApiServerOptions } from './api-server-deps.ts';
import { handleIssuerDiscovery } from './authentication/token-issuer-discovery.ts';
import { handleDiscovery } from './discovery/discovery.ts';
import type { ServedGroups } from './discovery/served-groups.ts';
import { createOnlyKinds } from './kinds/create-only.ts';
import type { ProxiedRequest, StreamProxy } from './proxy/stream-proxy.ts';
import { admitConnect } from './rest/admitted.ts';
import { type CreateOnlyExchange, findCreateOnly, handleCreateOnly } from './rest/create-only.ts';
import { allowsConversion, type Parts } from './rest/exchange.ts';
import { negotiate, wantsPretty } from './rest/negotiation.ts';
import { maxBodyBytes } from './rest/request-body.ts';
import type { RequestInfo } from './rest/request-info.ts';
import {
  type ConnectedSubresource,
  findConnect,
  findResource,
  handleResource,
  methodNotAllowed,
} from './rest/resource-handler.ts';
import { bytesResponse, jsonResponse, pageNotFound } from './rest/responses.ts';
import type { ServedRequest } from './serving/filter-chain.ts';
import { type HealthCheck, handleHealth } from './serving/health.ts';
import type { ApiServerMetrics } from './serving/metrics.ts';
import { versionInfo } from './serving/version.ts';

/** What the router needs. */
export interface RouterDeps {
  build: ApiServerOptions['build'];
  serverAddress: string | undefined;
  openapi: ApiServerDeps['openapi'] | undefined;
  debug: ApiServerDeps['debug'] | undefined;
  proxy: StreamProxy | undefined;
  aggregation: ApiServerDeps['aggregation'] | undefined;
  parts: Parts;
  metrics: ApiServerMetrics;
  /** The groups of the catalog, for discovery. */
  served: () => ServedGroups;
  /** Read at every request: checks may be added at any time. */
  checks: readonly HealthCheck[];
  /** Requests for resources wait for it. If it rejects (the store cannot be read), they fail with its error. */
  ready: Promise<void>;
  /** Aborts when the kind with this id is removed; undefined for kinds that stay. */
  endOf(id: string): AbortSignal | undefined;
  /** Aborts at the shutdown, which ends watches and other long-running requests. */
  shutdown: AbortSignal;
}

/** The routes of one API server. */
export class Router {
  readonly #deps: RouterDeps;

  constructor(deps: RouterDeps) {
    this.#deps = deps;
  }

  /** Answers a request. @throws ApiError, which the filters convert to a response */
  async serve(served: ServedRequest): Promise<TransportResponse> {
    const { request, info, user, arrival } = served;
    const { aggregation, parts, ready } = this.#deps;
    const remote = aggregation?.find(info);
    if (aggregation !== undefined && remote !== undefined) {
      await ready;
      return await aggregation.serve(remote, { request, user, lookup: parts.registry, upgrade: arrival.upgrade });
    }
    if ((request.body?.length ?? 0) > maxBodyBytes) throw requestTooLarge(`Request entity too large: limit is ${maxBodyBytes}`);
    return info.isResource ? await this.#serveResource(served) : await this.#servePath(request, info);
  }

  async #serveResource(served: ServedRequest): Promise<TransportResponse> {
    const { parts, proxy, ready, shutdown, endOf } = this.#deps;
    const { request, info, user, warnings, annotations } = served;
    const resource = findResource(parts.catalog.resources, info);
    const createOnly = findCreateOnly(createOnlyKinds, info);
    if (resource === undefined && createOnly === undefined) return pageNotFound();
    await ready;
    const connected = findConnect(parts.catalog, info);
    if (connected !== undefined && proxy !== undefined) return await this.#serveProxied(proxy, served, connected);
    // Scale is a built-in kind, for custom resources, too.
    const isUnstructured =
      resource !== undefined && info.subresource !== 'scale' && parts.catalog.kind(resource).unstructured !== undefined;
    const exchange: CreateOnlyExchange = {
      parts,
      request,
      info,
      user,
      // Kinds that are not stored have no Table.
      accepted: negotiate(
        request.headers['accept'],
        (convert, format) => resource !== undefined && allowsConversion(convert, format),
        (format) => !isUnstructured || format !== 'protobuf' || answersStatus(info),
      ),
      pretty: wantsPretty(info.query, request.headers['user-agent']),
      warnings,
      annotations,
      signal: () => {
        const ends = [shutdown, request.signal, resource === undefined ? undefined : endOf(resource.id)];
        return AbortSignal.any(ends.filter((one) => one !== undefined));
      },
    };
    if (createOnly !== undefined) return await handleCreateOnly(createOnly, exchange);
    if (resource === undefined) return pageNotFound();
    return await handleResource({ ...exchange, resource });
  }

  async #serveProxied(
    proxy: StreamProxy,
    { request, info, user, warnings, annotations, arrival }: ServedRequest,
    { connect, carries: { group, version, kind } }: ConnectedSubresource,
  ): Promise<TransportResponse> {
    const { registry, clock, admission } = this.#deps.parts;
    const context = {
      clock,
      warn: (message: string) => warnings.add(message),
      annotate: (key: string, value: string, isContent?: boolean) => annotations.add(key, value, isContent),
      read: (resource: ResourceId | Resource, namespace: string | undefined, name: string) =>
        registry.read(resource, namespace, name),
      list: (resource: ResourceId | Resource, namespace?: string) => registry.list(resource, namespace),
    };
    const connecting = async (): Promise<void> => {
      const fields = connect.to === 'log' ? {} : connect.options(info);
      await admitConnect(admission, info, { apiVersion: apiVersionOf(group, version), kind, ...fields }, user, context);
    };
    const proxied: ProxiedRequest = { request, info, connect, registry, admitConnect: connecting };
    if (arrival.upgrade === undefined) return await proxy.handle(proxied);
    await proxy.upgrade({ ...proxied, ...arrival.upgrade });
    return bytesResponse(101, '', new Uint8Array());
  }

  async #servePath(request: TransportRequest, info: RequestInfo): Promise<TransportResponse> {
    const { build, checks, debug, metrics, openapi, parts, served, serverAddress = '' } = this.#deps;
    if (info.path.includes('//')) return pageNotFound();
    const health = handleHealth(info, checks);
    if (health !== undefined) return health;
    const isRead = info.verb === 'get' || info.verb === 'head';
    if (info.path === '/version' || info.path === '/version/') {
      if (!isRead) throw methodNotAllowed();
      return jsonResponse(200, versionInfo(build));
    }
    if (info.path === '/metrics') return await metrics.respond();
    const issuer = handleIssuerDiscovery(info, parts.tokens, serverAddress);
    if (issuer !== undefined) return issuer;
    if (info.path.startsWith('/openapi/')) return (await openapi?.(request)) ?? pageNotFound();
    if (info.path.startsWith('/debug/')) return (isRead ? debug?.handle(info.path, info.query) : undefined) ?? pageNotFound();
    const discovery = handleDiscovery(served(), info, request.headers, serverAddress);
    if (discovery !== undefined && !isRead) throw methodNotAllowed();
    if (discovery !== undefined) return discovery;
    if (info.path === '/') return jsonResponse(200, { paths: rootPaths });
    return pageNotFound();
  }
}

/** A delete answers with a Status, whatever it deletes. */
const answersStatus = ({ verb }: RequestInfo): boolean => verb === 'delete';

/** The paths that `GET /` lists, as upstream. */
const rootPaths = [
  '/api',
  '/api/v1',
  '/apis',
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/readyz',
  '/version',
];
