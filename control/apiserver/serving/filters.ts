/**
 * The filters of the chain, one function each, in {@link buildFilters} in the order in which a request passes them.
 *
 * Source: apiserver `pkg/endpoints/filters`, `pkg/server/filters`.
 */
import { randomUUID } from 'node:crypto';
import { ApiError, failure, forbidden, internalError } from '#api/status.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { AuditAnnotations } from '../audit/audit-annotations.ts';
import type { Auditor } from '../audit/auditor.ts';
import { anonymousUser } from '../authentication/anonymous.ts';
import type { Authentication } from '../authentication/authentication.ts';
import { joinedHeaderValues } from '../authentication/header-values.ts';
import { asksToImpersonate, Impersonation } from '../authentication/impersonation/impersonation.ts';
import { ImpersonationMetrics } from '../authentication/impersonation/impersonation-metrics.ts';
import { type Authorizer, attributesOf, forbiddenReason, isPublic } from '../authorization/authorization.ts';
import type { Authorization } from '../authorization/modes.ts';
import type { FlowSchemas } from '../flowcontrol/flow-schemas.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { negotiateLeniently, wantsPretty } from '../rest/negotiation.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { errorResponse } from '../rest/responses.ts';
import { compressed } from './compression.ts';
import type { Filter } from './filter-chain.ts';
import { classification, flowHeaders } from './flow-headers.ts';
import { type FlowControl, isLongRunning, tooManyRequests } from './inflight.ts';
import type { ApiServerMetrics } from './metrics.ts';
import { requestTimeoutMs } from './request-deadline.ts';
import type { ServerLog } from './server-log.ts';

/** What the filters are made of. */
export interface FilterDeps {
  log: ServerLog;
  metrics: ApiServerMetrics;
  authentication: Pick<Authentication, 'authenticate' | 'isIdentityHeader'>;
  authorizer: Authorizer;
  anonymous: Authorization['anonymous'];
  flowControl: FlowControl;
  flowSchemas: FlowSchemas;
  /** Absent: nothing is audited. */
  auditor?: Auditor | undefined;
  /** Whether the body is passed on to a kubelet, pod or service while it arrives, so that it is not read into memory here. */
  passesBodyOn(info: RequestInfo): boolean;
  /** Whether the request is for a stream to a kubelet: exec, attach, port-forward. */
  opensStream(info: RequestInfo): boolean;
}

/** All filters, in the order in which a request passes them. */
export function buildFilters(deps: FilterDeps): Filter[] {
  return [
    auditId,
    flowHeaders,
    metricsFilter(deps.metrics),
    errorAnswers(deps.log),
    compression,
    deadline,
    ...(deps.auditor === undefined ? [] : [failedAuthentication(deps.auditor)]),
    authentication(deps.authentication),
    ...(deps.auditor === undefined ? [] : [audit(deps.auditor)]),
    impersonation(deps),
    classification(deps.flowSchemas),
    authorization(deps),
    flowControl(deps.flowControl),
    body(deps.passesBodyOn),
  ];
}

/** Gives every answer an audit ID (the client's own where it sent one), and forbids caches to keep it. */
const auditId: Filter = async function auditId(exchange, next) {
  const { request, warnings } = exchange;
  const id = request.headers['audit-id'] || randomUUID();
  exchange.auditId = id;
  const response = await next();
  response.headers['audit-id'] ??= id;
  response.headers['cache-control'] ??= 'no-cache, private';
  const warning = warnings.header();
  if (warning !== undefined) response.headers['warning'] = warning;
  return response;
};

function metricsFilter(metrics: ApiServerMetrics): Filter {
  return async function metricsFilter({ info, arrival }, next) {
    const startMs = performance.now();
    if (arrival.upgrade !== undefined) metrics.longRunning(info, 1);
    const response = await next().finally(() => {
      if (arrival.upgrade !== undefined) metrics.longRunning(info, -1);
    });
    metrics.observe(info, response.status, (performance.now() - startMs) / 1000);
    if (info.verb === 'watch') countWatch(metrics, info, response);
    return response;
  };
}

/** A watch counts as long as its answer lasts. */
function countWatch(metrics: ApiServerMetrics, info: RequestInfo, { over }: TransportResponse): void {
  if (over === undefined || over.aborted) return;
  metrics.longRunning(info, 1);
  over.addEventListener('abort', () => metrics.longRunning(info, -1), { once: true });
}

/** Turns an error thrown by a later filter or the handler into an answer: a `Status` in the format that the client accepts. */
function errorAnswers(log: ServerLog): Filter {
  return async function errorAnswers({ request, info }, next) {
    try {
      return await next();
    } catch (error) {
      const pretty = wantsPretty(info.query, request.headers['user-agent']);
      const response = errorResponse(error, negotiateLeniently(request.headers['accept']), pretty);
      if (response.status >= 500) log.error({ err: error, method: request.method, path: info.path }, 'request failed');
      return response;
    }
  };
}

/** Watches, logs and proxied answers are passed on as they come. */
const compression: Filter = async function compression({ request, info }, next) {
  const response = await next();
  return isLongRunning(info) ? response : await compressed(request, response);
};

/** `--request-timeout`. */
const defaultTimeoutMs = 60_000;

/** Answers 504 when the handler has no answer in time. (The handler goes on until it sees the request's signal.) */
const deadline: Filter = async function deadline({ request, info, arrival }, next) {
  const timeoutMs = requestTimeoutMs(info, arrival.timeoutMs ?? defaultTimeoutMs);
  if (timeoutMs === undefined) return await next();
  // Promise.race would make four promises more of each request.
  return await new Promise<TransportResponse>((resolve, reject) => {
    const timer = setTimeout(() => resolve(timedOut(request)), timeoutMs);
    next().then(
      (response) => {
        clearTimeout(timer);
        resolve(response);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
};

function timedOut({ headers }: TransportRequest): TransportResponse {
  const error = failure(504, 'Timeout', 'Timeout: request did not complete within the allotted timeout', {});
  const response = errorResponse(error, negotiateLeniently(headers['accept']), false);
  response.headers['connection'] = 'close';
  return response;
}

function authentication(known: FilterDeps['authentication']): Filter {
  return async function authentication(exchange, next) {
    const { sender, identified } = exchange.arrival;
    if ('user' in sender) exchange.user = sender.user;
    else {
      const { info, warnings, request } = exchange;
      exchange.user = await known.authenticate(sender.credentials, info, (message) => warnings.add(message));
      // Remove the credential headers: later filters and proxied servers must not see them.
      for (const name of Object.keys(request.headers)) if (known.isIdentityHeader(name)) delete request.headers[name];
    }
    identified?.(exchange.user);
    return await next();
  };
}

/** A request that fails authentication (401) never reaches the filter `audit`, so this filter writes its audit event. */
function failedAuthentication(auditor: Auditor): Filter {
  return async function failedAuthentication(exchange, next) {
    try {
      return await next();
    } catch (error) {
      if (exchange.user === anonymousUser && error instanceof ApiError && error.code === 401)
        await auditor.unauthenticated(exchange);
      throw error;
    }
  };
}

const audit = (auditor: Auditor): Filter =>
  async function audit(exchange, next) {
    return await auditor.pass(exchange, next);
  };

function impersonation({ authorizer, metrics }: Pick<FilterDeps, 'authorizer' | 'metrics'>): Filter {
  const modes = new Impersonation(authorizer, new ImpersonationMetrics(metrics.registry));
  return async function impersonation(exchange, next) {
    const { request, arrival, info, user } = exchange;
    if (!Object.keys(request.headers).some(asksToImpersonate)) return await next();
    const headers = 'user' in arrival.sender ? joinedHeaderValues(request.headers) : arrival.sender.credentials.headers;
    exchange.user = await modes.userOf(headers, attributesOf(info, user));
    return await next();
  };
}

function authorization({
  authorizer,
  anonymous,
  opensStream,
}: Pick<FilterDeps, 'authorizer' | 'anonymous' | 'opensStream'>): Filter {
  return async function authorization({ info, user, arrival, annotations }, next) {
    // Here an anonymous request has passed authentication, which allows only health paths in this mode.
    if (anonymous === 'healthOnly' && user.groups.includes('system:unauthenticated') && isPublic(info)) return await next();
    await authorize(authorizer, info, user, annotations);
    // A WebSocket is always opened with GET, but exec is more than reading, so `create` is required too
    // (AuthorizePodWebsocketUpgradeCreatePermission).
    if (arrival.upgrade !== undefined && opensStream(info))
      await authorize(authorizer, { ...info, verb: 'create' }, user, annotations);
    return await next();
  };
}

/** @throws ApiError 403 */
async function authorize(
  authorizer: Authorizer,
  info: RequestInfo,
  user: UserInfo,
  annotations: AuditAnnotations,
): Promise<void> {
  const attributes = attributesOf(info, user);
  const decision = await authorizer.authorize(attributes);
  const { allowed, reason, error } = decision;
  if (allowed || error === undefined) annotations.add('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid');
  annotations.add('authorization.k8s.io/reason', allowed || error === undefined ? reason : 'internal error');
  if (allowed) return;
  if (error !== undefined) throw internalError(error);
  const why = forbiddenReason(attributes, decision.reason);
  if (!info.isResource) throw failure(403, 'Forbidden', `forbidden: ${why}`, {});
  throw forbidden({ group: info.group, name: info.resource }, attributes.name, why);
}

function flowControl(control: FlowControl): Filter {
  return async function flowControl({ info, user, flow, request }, next) {
    const entering = control.enter(info, user, flow, request.signal);
    // Most are served at once, and need no turn of the event loop for it.
    const leave = entering instanceof Promise ? await entering : entering;
    if (typeof leave !== 'function') return tooManyRequests(leave);
    let begun: Promise<void> | undefined;
    try {
      const response = await next();
      ({ begun } = response);
      return response;
    } finally {
      // A watch holds its seats until its initial events are sent. After that it needs none.
      if (begun === undefined) leave();
      else void begun.then(leave);
    }
  };
}

/** Bodies are read only when it is known that the request will be served. */
function body(passesBodyOn: (info: RequestInfo) => boolean): Filter {
  return async function body(exchange, next) {
    const { info, arrival, request } = exchange;
    if (arrival.readBody === undefined) return await next();
    // The client has left: its body fails to be read, which is no failure of the server. (499 is the code that proxies log for it; nobody reads it.)
    const left = (): boolean => request.signal?.aborted === true;
    const gone = (): Error => failure(499, '', 'the client left before its request was complete', {});
    const { bytes, stream, release } = await arrival.readBody(passesBodyOn(info)).catch((error: unknown) => {
      throw left() ? gone() : error;
    });
    try {
      if (left()) throw gone();
      exchange.request = { ...request, body: bytes, stream };
      return await next();
    } finally {
      release();
    }
  };
}
