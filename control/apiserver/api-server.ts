/**
 * The API server: one handler for every request, whoever carries it (HTTPS, or a call within the process).
 *
 *   filters (serving/filters.ts) → route → resource handler → registry → store → encode
 */
import { Gauge, type Metric } from 'prom-client';

import { parseExact } from '#api/int64.ts';
import type { KubeObject } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { ResourceId } from '#api/resources.ts';
import { bindingResource, reviewResources } from '#api/review-resources.ts';
import { addTypes } from '#api/schema/facts.ts';
import { shape } from '#api/schema/shape.ts';
import { requestTooLarge } from '#api/status.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import type { Transport, TransportRequest, TransportResponse } from '#client/transport.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { Store } from '#control/store/store.ts';
import { AdmissionChain } from './admission/chain.ts';
import type { AdmissionPlugin } from './admission/plugin.ts';
import { anonymousUser } from './authentication/authentication.ts';
import { ServiceAccountTokens, type TokenOptions } from './authentication/service-account-tokens.ts';
import { handleIssuerDiscovery } from './authentication/token-issuer-discovery.ts';
import { alwaysAllow } from './authorization/authorization.ts';
import type { Authorization } from './authorization/modes.ts';
import { CacheFeed } from './cache/cache-feed.ts';
import { compactRegularly } from './cache/compaction.ts';
import type { WatchCacheLimits } from './cache/watch-cache.ts';
import type { KindCatalog, ServedKind } from './catalog.ts';
import { BodyDecoder } from './decoding/body-decoder.ts';
import { trackIn } from './decoding/tracking.ts';
import { handleDiscovery } from './discovery/discovery.ts';
import { type ServedGroups, servedGroupsOf } from './discovery/served-groups.ts';
import type { ObjectPatcher } from './patch/patch.ts';
import { Registry } from './registry/registry.ts';
import type { StoredObjects, UserInfo } from './registry/strategy.ts';
import { admitConnect } from './rest/admitted.ts';
import { allowsConversion, type Exchange, type Parts } from './rest/exchange.ts';
import { negotiate, wantsPretty } from './rest/negotiation.ts';
import { maxBodyBytes } from './rest/request-body.ts';
import { parseRequestInfo, type RequestInfo } from './rest/request-info.ts';
import { findResource, handleResource, methodNotAllowed } from './rest/resource-handler.ts';
import { bytesResponse, jsonResponse, pageNotFound } from './rest/responses.ts';
import { handleReview } from './rest/reviews.ts';
import { handleBinding } from './rest/subresources.ts';
import { type Arrival, type Filter, passThrough, type ServedRequest, type UpgradingConnection } from './serving/filter-chain.ts';
import { buildFilters } from './serving/filters.ts';
import { type HealthCheck, handleHealth } from './serving/health.ts';
import { defaultInflightLimits, type FlowControl, Inflight, type InflightLimits } from './serving/inflight.ts';
import { ApiServerMetrics } from './serving/metrics.ts';
import type { ServerLog } from './serving/server-log.ts';
import { versionInfo } from './serving/version.ts';
import { WarningRecorder } from './serving/warnings.ts';

export interface ApiServerDeps {
  store: Store;
  clock: Clock;
  log: ServerLog;
  /** What is served at first; from now on this server's to change. */
  catalog: KindCatalog;
  patcher: ObjectPatcher;
  /** Asked about every write and connect, in this order; see admission/plugins/index.ts. */
  admission: readonly AdmissionPlugin[];
  /** Told of stored values that cannot be read. */
  leftOut?: LeftOutReporter;
  /** Default: {@link alwaysAllow}, which follows nothing. */
  authorization?: Pick<Authorization, 'authorizer' | 'followers'>;
  /** Default: an {@link Inflight} with the limits of the options. */
  flowControl?: FlowControl;
  /** A number in [0, 1). Default: Math.random. */
  random?: () => number;
  /** Serves `/openapi/…`; undefined for paths it does not know. */
  openapi?: (request: TransportRequest) => Promise<TransportResponse | undefined>;
  /** Serves logs, exec and proxies, over plain requests and upgraded connections. */
  proxy?: StreamProxy;
}

/** Subresources whose answers come from a kubelet or a pod. */
export interface StreamProxy {
  handles(info: RequestInfo): boolean;
  /** Whether the body goes on to somebody else as it comes: then it is neither read nor limited here. */
  passesBodyOn(info: RequestInfo): boolean;
  handle(request: ProxiedRequest): Promise<TransportResponse>;
  /** Takes over a connection, and settles when it has ended. @throws ApiError while an ordinary answer can still be given */
  upgrade(exchange: ProxiedRequest & UpgradingConnection): Promise<void>;
}

export interface ProxiedRequest {
  request: TransportRequest;
  info: RequestInfo;
  registry: Registry;
  /** To be called for what is a connect, before anything is connected to. @throws ApiError as an admission plugin says */
  admitConnect(): Promise<void>;
}

export interface ApiServerOptions {
  /** Our own version, for `/version`. */
  build: { version: string; commit?: string; date?: string };
  /** Absent: service-account tokens are neither issued nor accepted. */
  tokens?: TokenOptions;
  /** What clients reach the server by, for the legacy `/api` document: `10.0.0.1:6443`. */
  serverAddress?: string;
  watchCache?: Partial<WatchCacheLimits>;
  /** How many requests are served at a time. Default: upstream's, 400 and 200. */
  inflight?: InflightLimits;
  /** Deep-freezes cached objects, so that a handler that changes one fails; for tests. */
  freezeCached?: boolean;
  /** More metrics to show, kept elsewhere: those of the process. */
  metrics?: readonly Metric[];
}

export interface ApiServer {
  /**
   * Serves one request, whoever carries it: it passes all filters (serving/filters.ts), and then its handler. Never rejects: errors are answers.
   */
  handle(request: TransportRequest, arrival: Arrival): Promise<TransportResponse>;
  /** Follows the store until `signal` aborts; nothing is served before. Watches end with it. */
  run(signal: AbortSignal): Promise<void>;
  /** Whether connections may be upgraded for such requests at all; for others an `Upgrade` header means nothing, as in Go. */
  upgrades(info: RequestInfo): boolean;
  /** Resolves once requests can be served. */
  readonly ready: Promise<void>;
  /** From now on `/readyz` fails and watches end, so that clients go elsewhere; requests are still served. */
  beginShutdown(): void;
  readonly tokens: ServiceAccountTokens | undefined;
  readonly registry: Registry;
  readonly metrics: ApiServerMetrics;
  /** What is served, kinds that come and go included. */
  readonly resources: ResourceCatalog;
  addHealthCheck(check: HealthCheck): void;
  /**
   * Serves one more kind from now on, with its own watch cache; no watch of another kind notices. Resolves once it is served.
   * @throws Error when its row, its storage prefix or its types are taken
   */
  addKind(kind: ServedKind): Promise<void>;
  /**
   * Serves it no longer: its watches end, its cache goes, requests for it get 404. What is stored stays: who wants it gone deletes it
   * before.
   * @returns false when it is not served @throws Error while another row is stored in its form
   */
  removeKind(id: string): boolean;
}

/**
 * Values come from this server or from upstream's, which wrote them in full: no strict decoding needed. But readers rely on types, so a
 * value of another shape (another version's, a damaged one) is refused.
 */
export function decodeStored(kindOf: (prefix: string) => ServedKind | undefined) {
  return (prefix: string, value: Uint8Array): KubeObject => {
    const object = parseExact(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')) as KubeObject;
    if (typeof object !== 'object' || object === null || typeof object.metadata !== 'object' || object.metadata === null)
      throw new Error('stored value is not an object');
    const kind = kindOf(prefix);
    if (kind !== undefined) {
      shape(kind.resource.schema, object);
      kind.strategy.setDefaults?.(object);
    }
    return object;
  };
}

export function createApiServer(deps: ApiServerDeps, options: ApiServerOptions): ApiServer {
  return new Server(deps, options);
}

/** The controllers' way in: the same code path as HTTPS, without TLS. */
export function inProcessTransport(server: Pick<ApiServer, 'handle'>, user: UserInfo): Transport {
  return (request) => server.handle(request, { sender: { user } });
}

/** Upstream's interval of the controllers that repair cluster IPs and node ports. */
const repairIntervalMs = 180_000;
/** After an attempt that failed. */
const firstRepairRetryMs = 10_000;

class Server implements ApiServer {
  readonly tokens: ServiceAccountTokens | undefined;
  readonly registry: Registry;
  readonly metrics: ApiServerMetrics;
  readonly #deps: ApiServerDeps;
  readonly #options: ApiServerOptions;
  readonly #parts: Parts;
  readonly #served: () => ServedGroups;
  readonly #feed: CacheFeed;
  readonly #checks: HealthCheck[];
  readonly #ready = Promise.withResolvers<void>();
  #isRepaired = false;
  /** Of kinds that came at run time, by id: their end. */
  readonly #added = new Map<string, { ended: AbortController; forgetTypes: () => void }>();
  /** Kinds whose cache is being filled, by storage prefix. */
  readonly #joining = new Map<string, ServedKind>();
  readonly #filters: readonly Filter[];
  /** Ends watches and other long requests. */
  readonly #shutdown = new AbortController();

  constructor(deps: ApiServerDeps, options: ApiServerOptions) {
    this.#deps = deps;
    this.#options = options;
    const { store, clock, log, catalog, patcher } = deps;
    this.metrics = new ApiServerMetrics(catalog.resources);
    for (const metric of options.metrics ?? []) this.metrics.registry.registerMetric(metric);
    this.#served = servedGroupsOf(catalog.resources);
    const random = deps.random ?? Math.random;
    const storedUnder = (prefix: string): ServedKind | undefined => catalog.storedUnder(prefix) ?? this.#joining.get(prefix);
    const decode = decodeStored(storedUnder);
    const kindOf = (prefix: string): string | undefined => storedUnder(prefix)?.resource.kind;
    const prefixes = new Set(catalog.all().map(({ resource }) => resource.storagePrefix));
    this.#feed = new CacheFeed(
      { store, clock, log, decode, kindOf, leftOut: deps.leftOut, freeze: options.freezeCached ?? false },
      prefixes,
      options.watchCache,
    );
    for (const [prefix, follower] of deps.authorization?.followers ?? []) this.#feed.follow(prefix, follower);
    const decoder = new BodyDecoder();
    const trackElsewhere = trackIn(decoder);
    const admission = new AdmissionChain(deps.admission);
    this.registry = new Registry({ store, clock, feed: this.#feed, catalog, patcher, admission, trackElsewhere, random });
    this.metrics.registry.registerMetric(keptBytesMetric(this.#feed));
    const read = (resource: ResourceId, namespace: string | undefined, name: string) =>
      this.registry.read(resource, namespace, name);
    this.tokens = options.tokens === undefined ? undefined : new ServiceAccountTokens(options.tokens, clock, read);
    this.#parts = {
      store,
      clock,
      log,
      feed: this.#feed,
      catalog,
      registry: this.registry,
      patcher,
      decoder,
      authorizer: deps.authorization?.authorizer ?? alwaysAllow,
      admission,
      random,
      decode,
      tokens: this.tokens,
    };
    this.#checks = this.#standardChecks();
    this.#filters = buildFilters({
      log,
      metrics: this.metrics,
      tokens: this.tokens,
      authorizer: this.#parts.authorizer,
      flowControl: deps.flowControl ?? this.#inflight(options.inflight ?? defaultInflightLimits),
      passesBodyOn: (info) => deps.proxy?.passesBodyOn(info) === true && findResource(this.resources, info) !== undefined,
    });
  }

  get resources(): ResourceCatalog {
    return this.#deps.catalog.resources;
  }

  #inflight(limits: InflightLimits): Inflight {
    const inflight = new Inflight(limits);
    this.metrics.reportInflight(inflight);
    return inflight;
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  async run(signal: AbortSignal): Promise<void> {
    const compacting = compactRegularly(this.#deps.store, this.#deps.clock, this.#deps.log, signal);
    // Ends with the feed, too: without it no repair would ever see fresh services.
    const ended = new AbortController();
    const repairing = this.#repairRegularly(AbortSignal.any([signal, ended.signal]));
    try {
      await this.#feed.run(signal);
    } finally {
      ended.abort();
      await repairing;
    }
    this.beginShutdown();
    await compacting;
    this.#parts.decoder.close();
  }

  beginShutdown(): void {
    this.#shutdown.abort();
  }

  upgrades(info: RequestInfo): boolean {
    return this.#deps.proxy?.handles(info) === true;
  }

  addHealthCheck(check: HealthCheck): void {
    this.#checks.push(check);
  }

  async addKind(kind: ServedKind): Promise<void> {
    const { resource, types } = kind;
    const { id, storagePrefix, storedAs } = resource;
    const { catalog } = this.#deps;
    if (this.resources.byId(id) !== undefined || this.#joining.has(storagePrefix))
      throw new Error(`"${id}" is served already, or is about to be`);
    const forgetTypes = types === undefined ? () => {} : addTypes(types);
    try {
      if (storedAs === undefined) {
        this.#joining.set(storagePrefix, kind);
        await this.#feed.add(storagePrefix);
        await kind.strategy.repair?.(() => this.#storedObjects(kind));
      }
      catalog.add(kind);
      this.#added.set(id, { ended: new AbortController(), forgetTypes });
    } catch (error) {
      if (catalog.storedUnder(storagePrefix) === undefined) this.#feed.remove(storagePrefix);
      forgetTypes();
      throw error;
    } finally {
      if (this.#joining.get(storagePrefix) === kind) this.#joining.delete(storagePrefix);
    }
  }

  removeKind(id: string): boolean {
    const kind = this.#deps.catalog.remove(id);
    if (kind === undefined) return false;
    const { resource } = kind;
    this.#added.get(id)?.ended.abort();
    if (resource.storedAs === undefined) this.#feed.remove(resource.storagePrefix);
    this.#added.get(id)?.forgetTypes();
    this.#added.delete(id);
    return true;
  }

  /** The server is ready after the first attempt: where the store takes no writes, reads go on. */
  async #repairRegularly(signal: AbortSignal): Promise<void> {
    const { clock, log, catalog } = this.#deps;
    try {
      await Promise.race([this.#feed.ready, untilAborted(signal)]);
    } catch (error) {
      // For who waits for it; that the store has ended is told by run() itself.
      this.#ready.promise.catch(() => undefined);
      this.#ready.reject(error);
      return;
    }
    while (!signal.aborted) {
      try {
        for (const kind of catalog.all()) await kind.strategy.repair?.(() => this.#storedObjects(kind));
        this.#isRepaired = true;
      } catch (error) {
        if (!signal.aborted) log.error({ err: error }, 'what stored objects hold could not be repaired; trying again');
      }
      this.#ready.resolve();
      await sleep(clock, this.#isRepaired ? repairIntervalMs : firstRepairRetryMs, signal);
    }
    // Who still waits is told by the feed that the server shuts down.
    this.#ready.resolve();
  }

  async #storedObjects({ resource: { storagePrefix } }: ServedKind): Promise<StoredObjects<KubeObject>> {
    await this.#feed.fresh();
    const objects = [...this.#feed.cache(storagePrefix).range(`${storagePrefix}/`)].map(({ object }) => object);
    return { objects, complete: !this.#feed.hasUndecodable(`${storagePrefix}/`) };
  }

  #standardChecks(): HealthCheck[] {
    const all = ['livez', 'readyz', 'healthz'] as const;
    const unread = (): string | undefined => (this.#feed.isReady ? undefined : 'the store has not been read yet');
    return [
      { name: 'ping', on: all, problem: () => undefined },
      { name: 'log', on: all, problem: () => undefined },
      // Upstream's name for "the store answers". A full disk is no reason to start the process again: it reads on.
      { name: 'etcd', on: ['livez'], problem: unread },
      { name: 'etcd', on: ['readyz', 'healthz'], problem: () => unread() ?? this.#deps.store.problem() },
      { name: 'informer-sync', on: ['readyz'], problem: () => (this.#feed.isReady ? undefined : 'watch caches are not filled') },
      ...['storage-readiness', 'generic-apiserver-start-informers'].map(
        (name): HealthCheck => ({
          name: `poststarthook/${name}`,
          on: all,
          problem: () => (this.#feed.isReady ? undefined : 'not finished'),
        }),
      ),
      // Without it no service can be made; a start anew would not mend the store.
      {
        name: 'poststarthook/start-service-ip-repair-controllers',
        on: ['readyz', 'healthz'],
        problem: () => (this.#isRepaired ? undefined : 'not finished'),
      },
      { name: 'poststarthook/start-service-ip-repair-controllers', on: ['livez'], problem: unread },
      {
        name: 'shutdown',
        on: ['readyz'],
        problem: () => (this.#shutdown.signal.aborted ? 'process is shutting down' : undefined),
      },
    ];
  }

  async handle(request: TransportRequest, arrival: Arrival): Promise<TransportResponse> {
    const info = parseRequestInfo(request.method, request.path);
    const exchange = { request, info, arrival, user: anonymousUser, warnings: new WarningRecorder() };
    return await passThrough(this.#filters, exchange, (served) => this.#serve(served));
  }

  async #serve(served: ServedRequest): Promise<TransportResponse> {
    const { request, info } = served;
    if ((request.body?.length ?? 0) > maxBodyBytes) throw requestTooLarge(`Request entity too large: limit is ${maxBodyBytes}`);
    return info.isResource ? await this.#serveResource(served) : await this.#servePath(request, info);
  }

  async #serveResource(served: ServedRequest): Promise<TransportResponse> {
    const { request, info, user, warnings } = served;
    const resource = findResource(this.resources, info);
    const { group, version, plural } = bindingResource;
    const isBinding = info.group === group && info.version === version && info.resource === plural;
    const review = reviewResources.find(
      ({ group, version, plural, namespaced }) =>
        group === info.group && version === info.version && plural === info.resource && namespaced === (info.namespace !== ''),
    );
    if (resource === undefined && review === undefined && !isBinding) return pageNotFound();
    await this.#ready.promise;
    if (resource !== undefined && this.#deps.proxy?.handles(info) === true)
      return await this.#serveProxied(this.#deps.proxy, served);
    const exchange: Omit<Exchange, 'resource'> = {
      parts: this.#parts,
      request,
      info,
      user,
      accepted: negotiate(
        request.headers['accept'],
        (convert, format) => review === undefined && allowsConversion(convert, format),
      ),
      pretty: wantsPretty(info.query, request.headers['user-agent']),
      warnings,
      signal: AbortSignal.any(
        [
          this.#shutdown.signal,
          request.signal,
          resource === undefined ? undefined : this.#added.get(resource.id)?.ended.signal,
        ].filter((one) => one !== undefined),
      ),
    };
    if (review !== undefined) return await handleReview(exchange, review);
    if (resource === undefined) return await handleBinding(exchange);
    return await handleResource({ ...exchange, resource });
  }

  async #serveProxied(proxy: StreamProxy, { request, info, user, warnings, arrival }: ServedRequest): Promise<TransportResponse> {
    const { registry } = this;
    const context = {
      clock: this.#deps.clock,
      warn: (message: string) => warnings.add(message),
      read: (resource: ResourceId, namespace: string | undefined, name: string) => registry.read(resource, namespace, name),
    };
    const connecting = (): Promise<void> => admitConnect(this.#parts.admission, info, user, context);
    const proxied: ProxiedRequest = { request, info, registry, admitConnect: connecting };
    if (arrival.upgrade === undefined) return await proxy.handle(proxied);
    await proxy.upgrade({ ...proxied, ...arrival.upgrade });
    return bytesResponse(101, '', new Uint8Array());
  }

  async #servePath(request: TransportRequest, info: RequestInfo): Promise<TransportResponse> {
    if (info.path.includes('//')) return pageNotFound();
    const health = handleHealth(info, this.#checks);
    if (health !== undefined) return health;
    const isRead = info.verb === 'get' || info.verb === 'head';
    if (info.path === '/version' || info.path === '/version/') {
      if (!isRead) throw methodNotAllowed();
      return jsonResponse(200, versionInfo(this.#options.build));
    }
    if (info.path === '/metrics') return await this.metrics.respond();
    const issuer = handleIssuerDiscovery(info, this.tokens, this.#options.serverAddress ?? '');
    if (issuer !== undefined) return issuer;
    if (info.path.startsWith('/openapi/')) return (await this.#deps.openapi?.(request)) ?? pageNotFound();
    const serverAddress = this.#options.serverAddress ?? '';
    const discovery = handleDiscovery(this.#served(), info, request.headers, serverAddress);
    if (discovery !== undefined && !isRead) throw methodNotAllowed();
    if (discovery !== undefined) return discovery;
    if (info.path === '/') return jsonResponse(200, { paths: rootPaths });
    return pageNotFound();
  }
}

function keptBytesMetric(feed: CacheFeed): Metric {
  return new Gauge({
    name: 'tinkernetes_watch_cache_kept_bytes',
    help: 'What the watch caches keep for a while: encoded forms, windows of changes, objects of lists under way.',
    labelNames: ['kept'],
    registers: [],
    collect() {
      for (const [kept, bytes] of Object.entries(feed.keptBytes)) this.set({ kept }, bytes);
    },
  });
}

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
