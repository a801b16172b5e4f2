/**
 * What kube-controller-manager and kube-scheduler serve over HTTPS: health, metrics, configuration. Health is for everybody; for the
 * rest the API server is asked who it is and what they may.
 *
 * Source: kubernetes `cmd/{kube-controller-manager,kube-scheduler}/app` (newHealthEndpointsAndMetricsHandler); apiserver
 * `pkg/server/{healthz,routes}`.
 */
import type { Registry } from 'prom-client';
import { failure, internalError } from '#api/status.ts';
import type { Clock } from '#client/clock.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { AuthenticationMetrics } from '../apiserver/authentication/authentication-metrics.ts';
import type { RequestHeaderOptions } from '../apiserver/authentication/request-header.ts';
import { type Authorizer, attributesOf, forbiddenReason } from '../apiserver/authorization/authorization.ts';
import { parseRequestInfo, type RequestInfo } from '../apiserver/rest/request-info.ts';
import { errorResponse, jsonResponse, textResponse } from '../apiserver/rest/responses.ts';
import type { DebugPages } from '../apiserver/serving/debug-pages.ts';
import type { Arrival } from '../apiserver/serving/filter-chain.ts';
import { type HealthCheck, handleHealth } from '../apiserver/serving/health.ts';
import type { RequestHandler } from '../apiserver/serving/serve-request.ts';
import type { ServerLog } from '../apiserver/serving/server-log.ts';
import { type DelegatedAuthOptions, delegatedAuthentication, delegatedAuthorization } from './delegated-auth.ts';

/** What a component serves of itself. */
export interface ComponentServerDeps {
  clock: Clock;
  log: ServerLog;
  /** For `/metrics`. */
  registry: Registry;
  checks: readonly HealthCheck[];
  /** For `/configz`: by upstream's name of the configuration. */
  configuration: Readonly<Record<string, object>>;
  /** More pages below `/debug/`. */
  debug?: DebugPages | undefined;
}

/** Answers the requests of the component's listener. */
export class ComponentServer implements RequestHandler {
  readonly #deps: ComponentServerDeps;
  readonly #options: DelegatedAuthOptions;
  readonly #metrics: AuthenticationMetrics;
  #authentication: ReturnType<typeof delegatedAuthentication>;
  readonly #authorizer: Authorizer;
  #isEnding = false;

  constructor(deps: ComponentServerDeps, options: DelegatedAuthOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#metrics = new AuthenticationMetrics(deps.registry);
    this.#authentication = delegatedAuthentication({ ...deps, metrics: this.#metrics }, options);
    this.#authorizer = delegatedAuthorization(deps, options);
  }

  /** Sets the front proxies whose X-Remote-… headers are trusted, from the next request on. */
  trustProxies(requestHeader: RequestHeaderOptions | undefined): void {
    const deps = { ...this.#deps, metrics: this.#metrics };
    this.#authentication = delegatedAuthentication(deps, { ...this.#options, requestHeader });
  }

  /** Never rejects: errors become answers. */
  async handle(request: TransportRequest, arrival: Arrival): Promise<TransportResponse> {
    const info = arrival.info ?? parseRequestInfo(request.method, request.path);
    try {
      await this.#admit(info, arrival);
      return await this.#answer(info);
    } catch (error) {
      return errorResponse(error, 'json', false);
    }
  }

  /** Nothing here becomes another protocol. */
  upgrades(): boolean {
    return false;
  }

  /** From now on `/readyz` fails. */
  beginShutdown(): void {
    this.#isEnding = true;
  }

  /** @throws ApiError 401, 403, 500 */
  async #admit(info: RequestInfo, arrival: Arrival): Promise<void> {
    const { sender } = arrival;
    const user =
      'user' in sender ? sender.user : await this.#authentication.authenticate(sender.credentials, info, () => undefined);
    arrival.identified?.(user);
    const attributes = attributesOf(info, user);
    const { allowed, reason, error } = await this.#authorizer.authorize(attributes);
    if (allowed) return;
    if (error !== undefined) throw internalError(error);
    throw failure(403, 'Forbidden', `forbidden: ${forbiddenReason(attributes, reason)}`, {});
  }

  async #answer(info: RequestInfo): Promise<TransportResponse> {
    const { registry, configuration, debug, checks } = this.#deps;
    const ending: HealthCheck = {
      name: 'shutdown',
      on: ['readyz'],
      problem: () => (this.#isEnding ? 'process is shutting down' : undefined),
    };
    const health = handleHealth(info, [ping, ...checks, ending]);
    if (health !== undefined) return health;
    if (info.path === '/metrics') return textResponse(200, await registry.metrics(), { 'content-type': registry.contentType });
    if (info.path === '/configz') return jsonResponse(200, configuration);
    const page = debug?.handle(info.path, info.query);
    return page ?? textResponse(404, '404 page not found\n');
  }
}

const ping: HealthCheck = { name: 'ping', on: ['livez', 'readyz', 'healthz'], problem: () => undefined };
