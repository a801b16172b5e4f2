/**
 * The API server, assembled from its parts: one handler for all requests, over HTTPS or by a call within the process.
 *
 *   filters (serving/filters.ts) → router.ts → resource handler → registry → store → encode
 */
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { ResourceId } from '#api/resources.ts';
import { atOnce } from '#api/steps.ts';
import type { Secret } from '#api/types.generated.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { AdmissionChain } from './admission/chain.ts';
import { WebhookCaller } from './admission/webhooks/webhook-call.ts';
import type { RemoteDocument } from './aggregation/remote-documents.ts';
import type { ApiServerDeps, ApiServerOptions } from './api-server-deps.ts';
import { AuditAnnotations } from './audit/audit-annotations.ts';
import { Auditor } from './audit/auditor.ts';
import { anonymousUser } from './authentication/anonymous.ts';
import { AuthenticationMetrics } from './authentication/authentication-metrics.ts';
import { componentUser } from './authentication/component-users.ts';
import { type CreateAuthenticationDeps, createAuthentication } from './authentication/create-authentication.ts';
import { lastUsedLabel } from './authentication/legacy-tokens.ts';
import { ServiceAccountTokens } from './authentication/service-account-tokens.ts';
import { alwaysAllow } from './authorization/authorization.ts';
import { CacheFeed } from './cache/cache-feed.ts';
import { compactionIntervalMs, compactRegularly } from './cache/compaction.ts';
import { keptBytesMetric } from './cache/kept-bytes-metric.ts';
import type { ServedKind } from './catalog.ts';
import { Definitions } from './custom-resources/definitions.ts';
import type { PostToWebhook } from './custom-resources/webhook-conversion.ts';
import { BodyDecoder } from './decoding/body-decoder.ts';
import { trackIn } from './decoding/tracking.ts';
import { servedGroupsOf } from './discovery/served-groups.ts';
import { dump, dumpPath } from './flowcontrol/debug-dump.ts';
import { FairFlowControl } from './flowcontrol/fair-flow-control.ts';
import { FlowSchemas } from './flowcontrol/flow-schemas.ts';
import { PriorityLevels } from './flowcontrol/priority-levels.ts';
import { storedFacts } from './flowcontrol/stored-facts.ts';
import { takenIpFollower } from './kinds/core/service/taken-ips.ts';
import { decodeStored } from './registry/decode-stored.ts';
import { Registry } from './registry/registry.ts';
import { Repairs } from './repairs.ts';
import type { Parts, RestKind } from './rest/exchange.ts';
import { JoinedFrames } from './rest/joined-frames.ts';
import { parseRequestInfo, type RequestInfo } from './rest/request-info.ts';
import { findConnect } from './rest/resource-handler.ts';
import { Router } from './router.ts';
import { RunTimeKinds } from './run-time-kinds.ts';
import { type Arrival, type Filter, passThrough } from './serving/filter-chain.ts';
import { buildFilters } from './serving/filters.ts';
import type { HealthCheck } from './serving/health.ts';
import { defaultInflightLimits, type FlowControl, Inflight } from './serving/inflight.ts';
import { ApiServerMetrics } from './serving/metrics.ts';
import { standardChecks } from './serving/standard-checks.ts';
import { WarningRecorder } from './serving/warnings.ts';

/** An API server. Source: kubernetes.io, kube-apiserver. */
export interface ApiServer {
  /**
   * Serves one request: it passes all filters (serving/filters.ts), and then its handler. Never rejects: errors become answers.
   */
  handle(request: TransportRequest, arrival: Arrival): Promise<TransportResponse>;
  /**
   * Watches the store until `signal` aborts. Resources are served only while it runs, and watches end with it. @throws StoreError `closed`
   */
  run(signal: AbortSignal): Promise<void>;
  /** Whether connections may be upgraded for such requests. For other requests an `Upgrade` header is ignored, as in Go. */
  upgrades(info: RequestInfo): boolean;
  /** Resolves once requests can be served. */
  readonly ready: Promise<void>;
  /** Starts the shutdown: `/readyz` fails and watches end, so that clients use other servers. Requests are still served. */
  beginShutdown(): void;
  readonly tokens: ServiceAccountTokens | undefined;
  readonly registry: Registry;
  readonly metrics: ApiServerMetrics;
  /** The rows of all kinds that are currently served. */
  readonly resources: ResourceCatalog;
  /** Adds a check to the health paths that it names (`/healthz`, `/livez`, `/readyz`). */
  addHealthCheck(check: HealthCheck): void;
  /**
   * Adds a kind with its own watch cache. Watches of other kinds continue. Resolves once it is served.
   * @throws Error if its row, its storage prefix or its types exist already
   */
  addKind(kind: RestKind): Promise<void>;
  /**
   * Removes a kind: its watches end, its cache is dropped, requests for it get 404. Its stored objects are kept, unless the caller deletes
   * them before.
   * @returns false when it is not served @throws Error while another row is stored in its form
   */
  removeKind(id: string): boolean;
}

/** Assembles the server; nothing runs and the store is not read before {@link ApiServer.run}. */
export function createApiServer(deps: ApiServerDeps, options: ApiServerOptions): ApiServer {
  return new Server(deps, options);
}

/** Always the same array, so that results computed from it stay cached. */
const noDocuments: readonly RemoteDocument[] = [];

class Server implements ApiServer {
  readonly metrics: ApiServerMetrics;
  readonly #deps: ApiServerDeps;
  readonly #parts: Parts;
  readonly #repairs: Repairs;
  readonly #kinds: RunTimeKinds;
  readonly #definitions: Definitions;
  readonly #ready: Promise<void>;
  readonly #checks: HealthCheck[];
  readonly #compactionIntervalMs: number;
  readonly #filters: readonly Filter[];
  readonly #router: Router;
  readonly #auditor: Auditor | undefined;
  /** Aborts at the shutdown, which ends watches and other long-running requests. */
  readonly #shutdown = new AbortController();

  constructor(deps: ApiServerDeps, options: ApiServerOptions) {
    const { store, clock, log, catalog, debug, openapi, proxy, aggregation } = deps;
    const { build, serverAddress } = options;
    this.#compactionIntervalMs = options.compactionIntervalMs ?? compactionIntervalMs;
    const joining = new Map<string, ServedKind>();
    const flowSchemas = new FlowSchemas();
    this.metrics = new ApiServerMetrics(catalog.resources);
    const parts = assembleParts(deps, options, joining, {
      metrics: new AuthenticationMetrics(this.metrics.registry),
      markUsed: (secret, day) => void this.#markUsed(secret, day),
    });
    for (const [prefix, follower] of flowSchemas.followers) parts.feed.follow(prefix, follower);
    const { feed, authorizer, authentication } = parts;
    this.#deps = deps;
    this.#parts = parts;
    for (const metric of [...(options.metrics ?? []), ...(deps.admissionMetrics?.all ?? []), keptBytesMetric(feed)])
      this.metrics.registry.registerMetric(metric);
    this.#repairs = new Repairs({ clock, log, feed, catalog });
    parts.feed.follow(...takenIpFollower(parts.feed, () => this.#repairs.soon()));
    this.#kinds = new RunTimeKinds({ feed, catalog, joining, repair: (kind) => this.#repairs.of(kind) });
    const { registry } = parts;
    const webhooks = deps.webhooks ?? new WebhookCaller(deps.random ?? Math.random);
    const post: PostToWebhook = (...call) => webhooks.post(...call);
    this.#definitions = new Definitions({ store, feed, registry, kinds: this.#kinds, clock, log, post });
    parts.feed.follow(...this.#definitions.follower);
    if (aggregation !== undefined) parts.feed.follow(...aggregation.follower);
    this.#ready = this.#repairs.attempted.then(() => this.#definitions.ready);
    // Avoids an unhandled rejection if nothing awaits it: `feed.run` throws the same error.
    this.#ready.catch(() => undefined);
    this.#checks = standardChecks({
      isFilled: () => feed.isReady,
      isRepaired: () => this.#repairs.isDone,
      isShuttingDown: () => this.#shutdown.signal.aborted,
      storeProblem: () => store.problem(),
    });
    const flowControl = deps.flowControl ?? this.#flowControl(options, flowSchemas);
    this.metrics.reportInflight(flowControl);
    this.#router = new Router({
      build,
      serverAddress,
      openapi,
      debug,
      proxy,
      aggregation,
      parts,
      metrics: this.metrics,
      served: servedGroupsOf(catalog.resources, () => aggregation?.documents() ?? noDocuments),
      checks: this.#checks,
      ready: this.ready,
      endOf: (id) => this.#kinds.endOf(id),
      shutdown: this.#shutdown.signal,
    });
    if (options.audit !== undefined && (options.audit.log ?? options.audit.webhook) !== undefined) {
      const { random = Math.random } = deps;
      this.#auditor = new Auditor(options.audit, { registry: this.metrics.registry, clock, log, random });
    }
    this.#filters = buildFilters({
      log,
      metrics: this.metrics,
      authentication,
      authorizer,
      anonymous: deps.authorization?.anonymous ?? 'healthOnly',
      flowControl,
      flowSchemas,
      auditor: this.#auditor,
      // The body goes to another server as a stream, so it is neither read nor limited here.
      passesBodyOn: (info) =>
        aggregation?.find(info) !== undefined || (proxy !== undefined && findConnect(catalog, info)?.connect.to === 'proxy'),
      opensStream: (info) => findConnect(catalog, info)?.connect.to === 'stream',
    });
  }

  get registry(): Registry {
    return this.#parts.registry;
  }

  get tokens(): ServiceAccountTokens | undefined {
    return this.#parts.tokens;
  }

  get resources(): ResourceCatalog {
    return this.#deps.catalog.resources;
  }

  get ready(): Promise<void> {
    return this.#ready;
  }

  #flowControl({ inflight: limits = defaultInflightLimits, isFair = true }: ApiServerOptions, schemas: FlowSchemas): FlowControl {
    const { clock } = this.#deps;
    const total = limits.readOnly + limits.mutating;
    if (!isFair || total === 0) return new Inflight(limits);
    const { feed, catalog } = this.#parts;
    const levels = new PriorityLevels({ clock, schemas, factsOf: storedFacts(feed, catalog) }, total);
    for (const metric of levels.metrics.all) this.metrics.registry.registerMetric(metric);
    this.#deps.debug?.addText(dumpPath, (path, query) =>
      dump(levels, path, query.get('includeRequestDetails') !== null, clock.now(), clock.monotonic()),
    );
    return new FairFlowControl(levels);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#deps;
    const compacting = compactRegularly(store, clock, log, this.#compactionIntervalMs, signal);
    // The repairs end with the feed, too: without it, they would wait forever for current objects.
    const ended = new AbortController();
    const authenticating = this.#parts.authentication.run(AbortSignal.any([signal, ended.signal]));
    const repairing = this.#repairs.run(AbortSignal.any([signal, ended.signal]));
    const aggregating = this.#deps.aggregation?.run(this.#parts.registry, AbortSignal.any([signal, ended.signal]));
    const defining = this.#definitions.run(AbortSignal.any([signal, ended.signal]));
    try {
      await this.#parts.feed.run(signal);
    } finally {
      ended.abort();
      await defining;
      await aggregating;
      await repairing;
      await authenticating;
    }
    this.beginShutdown();
    await compacting;
    this.#parts.decoder.close();
    await this.#auditor?.close();
  }

  beginShutdown(): void {
    this.#shutdown.abort();
  }

  /** Records in the Secret of a service account token that the token was used. Never rejects. */
  async #markUsed({ metadata: { namespace, name, uid } }: Secret, day: string): Promise<void> {
    const patch = { metadata: { uid, labels: { [lastUsedLabel]: day } } };
    const headers = { 'content-type': 'application/merge-patch+json', 'user-agent': 'kube-apiserver' };
    const path = `/api/v1/namespaces/${namespace}/secrets/${name}`;
    const request = { method: 'PATCH', path, headers, body: Buffer.from(JSON.stringify(patch)) };
    const { status } = await this.handle(request, { sender: { user: componentUser('apiserver') } });
    if (status !== 200)
      this.#deps.log.warn({ namespace, name, status }, 'a token was used, and its secret could not be labelled');
  }

  upgrades(info: RequestInfo): boolean {
    const { aggregation, proxy, catalog } = this.#deps;
    return aggregation?.find(info) !== undefined || (proxy !== undefined && findConnect(catalog, info) !== undefined);
  }

  addHealthCheck(check: HealthCheck): void {
    this.#checks.push(check);
  }

  addKind(kind: RestKind): Promise<void> {
    return this.#kinds.add(kind);
  }

  removeKind(id: string): boolean {
    return this.#kinds.remove(id);
  }

  async handle(request: TransportRequest, arrival: Arrival): Promise<TransportResponse> {
    const info = arrival.info ?? parseRequestInfo(request.method, request.path);
    const exchange = {
      request,
      info,
      arrival,
      user: anonymousUser,
      warnings: new WarningRecorder(),
      annotations: new AuditAnnotations(),
      auditId: '',
    };
    return await passThrough(this.#filters, exchange, (served) => this.#router.serve(served));
  }
}

/** @param joining see {@link RunTimeKinds} */
function assembleParts(
  deps: ApiServerDeps,
  options: ApiServerOptions,
  joining: ReadonlyMap<string, ServedKind>,
  authenticating: Pick<CreateAuthenticationDeps, 'metrics' | 'markUsed'>,
): Parts {
  const { store, clock, log, catalog, patcher, leftOut, authorization, random = Math.random } = deps;
  const storedUnder = (prefix: string): ServedKind | undefined => catalog.storedUnder(prefix) ?? joining.get(prefix);
  const decode = decodeStored(storedUnder);
  const kindOf = (prefix: string): string | undefined => storedUnder(prefix)?.resource.kind;
  const prefixes = new Set(catalog.all().map(({ resource }) => resource.storagePrefix));
  const freeze = options.freezeCached ?? false;
  const feed = new CacheFeed({ store, clock, log, decode, kindOf, leftOut, freeze }, prefixes, options.watchCache);
  for (const [prefix, follower] of authorization?.followers ?? []) feed.follow(prefix, follower);
  const decoder = new BodyDecoder();
  const admission = new AdmissionChain(deps.admission, deps.admissionMetrics);
  const registry = new Registry({ store, clock, feed, catalog, patcher, admission, trackElsewhere: trackIn(decoder), random });
  const read = (resource: ResourceId, namespace: string | undefined, name: string) => registry.read(resource, namespace, name);
  const tokens = options.tokens === undefined ? undefined : new ServiceAccountTokens(options.tokens, clock, read);
  const anonymous = authorization?.anonymous ?? 'healthOnly';
  return {
    store,
    clock,
    log,
    feed,
    catalog,
    registry,
    patcher,
    joined: new JoinedFrames(),
    decoder,
    authorizer: authorization?.authorizer ?? alwaysAllow,
    admission,
    random,
    decode: (prefix, value) => atOnce(decode(prefix, value)),
    tokens,
    authentication: createAuthentication(
      { ...authenticating, clock, log, tokens, read, anonymous, random },
      options.authentication ?? {},
    ),
  };
}
