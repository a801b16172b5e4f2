/**
 * Writes an audit event for each stage of a request, as the policy says.
 *
 * RequestReceived ──▶ (ResponseStarted, of long-running requests) ──▶ ResponseComplete
 *
 * Source: apiserver `pkg/endpoints/filters/{audit,authn_audit}.go`, `pkg/audit/request.go`; kubernetes.io, Auditing.
 */
import type { Registry } from 'prom-client';
import { errorText } from '#api/error-text.ts';
import { ApiError, internalError, unauthorized } from '#api/status.ts';
import type { Clock } from '#client/clock.ts';
import type { TransportResponse } from '#client/transport.ts';
import { type AuthorizationAttributes, attributesOf } from '../authorization/authorization.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { ServedRequest } from '../serving/filter-chain.ts';
import { isLongRunning } from '../serving/inflight.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { type AuditBackend, AuditMonitor, truncatingBackend, unionBackend } from './audit-backend.ts';
import { type AuditEvent, type AuditObjectRef, type AuditUser, eventJson, microTime } from './audit-event.ts';
import { type AuditChoice, type AuditPolicy, type AuditStage, auditChoice } from './audit-policy.ts';
import { CapturedBody, requestObjectOf, withoutManagedFields } from './bodies.ts';
import { AuditLogFile, type AuditLogOptions } from './log-backend.ts';
import { AuditWebhook, type AuditWebhookOptions } from './webhook-backend.ts';

/** The flags `--audit-…`. Without a backend nothing is written. */
export interface AuditOptions {
  policy: AuditPolicy;
  log?: AuditLogOptions | undefined;
  webhook?: AuditWebhookOptions | undefined;
}

/** What {@link Auditor} needs. */
export interface AuditorDeps {
  registry: Registry;
  clock: Clock;
  log: ServerLog;
  random: () => number;
}

const maxUserAgent = 1024;

/** The audit of one API server. */
export class Auditor {
  readonly #policy: AuditPolicy;
  readonly #backend: AuditBackend;
  readonly #monitor: AuditMonitor;
  readonly #clock: Clock;
  /** Whether a request is refused if its RequestReceived event cannot be written. */
  readonly #isStrict: boolean;

  constructor({ policy, log, webhook }: AuditOptions, { registry, clock, log: serverLog, random }: AuditorDeps) {
    this.#policy = policy;
    this.#clock = clock;
    this.#monitor = new AuditMonitor(registry, serverLog, () => clock.monotonic());
    const monitor = this.#monitor;
    const limited = (backend: AuditBackend, truncate: { maxEventBytes: number } | undefined): AuditBackend =>
      truncate === undefined ? backend : truncatingBackend(backend, truncate.maxEventBytes, monitor);
    this.#isStrict = [log, webhook].some((one) => one?.mode === 'blocking-strict');
    this.#backend = unionBackend([
      ...(log === undefined ? [] : [limited(new AuditLogFile(log, monitor, () => clock.now()), log.truncate)]),
      ...(webhook === undefined ? [] : [limited(new AuditWebhook(webhook, { clock, random, monitor }), webhook.truncate)]),
    ]);
  }

  /**
   * Handles a request by `next` and writes its events. @throws the errors of `next`; ApiError 500 if its RequestReceived event must be
   * written and cannot be
   */
  async pass(exchange: ServedRequest, next: () => Promise<TransportResponse>): Promise<TransportResponse> {
    const attributes = attributesOf(exchange.info, exchange.user);
    const choice = auditChoice(this.#policy, attributes);
    this.#monitor.level(choice.level);
    if (choice.level === 'None') return await next();
    // The response will be in the event, so it is encoded here.
    if (choice.level === 'RequestResponse') exchange.request = { ...exchange.request, takesObjects: false };
    const audited = new RequestAudit(exchange, attributes, choice, this.#clock, (event) => this.#write(event));
    const received = audited.stage('RequestReceived');
    if (this.#isStrict && !(await received)) {
      this.#monitor.rejected();
      throw internalError('failed to store audit event');
    }
    let response: TransportResponse;
    try {
      response = await next();
    } catch (error) {
      await audited.failed(error);
      throw error;
    }
    return await audited.answered(response);
  }

  /** Writes the event of a request that failed authentication, which never reaches {@link pass}. */
  async unauthenticated(exchange: ServedRequest): Promise<void> {
    const attributes = attributesOf(exchange.info, { name: '', groups: [], extra: {} });
    const choice = auditChoice(this.#policy, attributes);
    this.#monitor.level(choice.level);
    if (choice.level === 'None') return;
    const audited = new RequestAudit(exchange, attributes, choice, this.#clock, (event) => this.#write(event));
    await audited.refused('ResponseStarted', unauthorized(), 'Authentication failed, attempted: bearer, x509');
  }

  #write(event: AuditEvent): boolean | Promise<boolean> {
    this.#monitor.event();
    return this.#backend.take({ event, json: eventJson(event) });
  }

  /** Writes the events that are still waiting. */
  close(): Promise<void> {
    return this.#backend.close();
  }
}

/** The events of one request. */
class RequestAudit {
  readonly #exchange: ServedRequest;
  readonly #choice: AuditChoice;
  readonly #clock: Clock;
  readonly #write: (event: AuditEvent) => boolean | Promise<boolean>;
  readonly #user: UserInfo;
  readonly #receivedAt: string;
  readonly #head: Pick<AuditEvent, 'requestURI' | 'verb' | 'user' | 'sourceIPs' | 'userAgent' | 'objectRef'>;
  #status: AuditEvent['responseStatus'];
  #responseObject: AuditEvent['responseObject'];
  #isTruncated = false;

  constructor(
    exchange: ServedRequest,
    attributes: AuthorizationAttributes,
    choice: AuditChoice,
    clock: Clock,
    write: (event: AuditEvent) => boolean | Promise<boolean>,
  ) {
    this.#exchange = exchange;
    this.#choice = choice;
    this.#clock = clock;
    this.#write = write;
    this.#user = exchange.user;
    this.#receivedAt = microTime(clock.now());
    exchange.annotations.keepsObject = this.#isAtLeastRequest;
    const { request } = exchange;
    this.#head = {
      requestURI: request.path,
      verb: attributes.verb,
      user: userOf(attributes.user),
      sourceIPs: sourceIps(request.headers, request.remoteAddress),
      userAgent: shortened(request.headers['user-agent']),
      objectRef: objectRefOf(attributes),
    };
  }

  get #isAtLeastRequest(): boolean {
    return this.#choice.level === 'Request' || this.#choice.level === 'RequestResponse';
  }

  stage(stage: AuditStage): boolean | Promise<boolean> {
    if (this.#choice.omitStages.includes(stage)) return true;
    const { annotations, user, auditId } = this.#exchange;
    const isDone = stage !== 'RequestReceived';
    const objectRef =
      this.#head.objectRef === undefined ? undefined : inOrder({ ...annotations.objectRef, ...this.#head.objectRef });
    const requestObject = isDone && this.#isAtLeastRequest ? this.#requestObject() : undefined;
    if (this.#isTruncated) annotations.add('audit.k8s.io/truncated', 'true');
    return this.#write({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: this.#choice.level,
      auditID: auditId,
      stage,
      requestURI: this.#head.requestURI,
      verb: this.#head.verb,
      user: this.#head.user,
      impersonatedUser: isDone && user !== this.#user ? userOf(user) : undefined,
      sourceIPs: this.#head.sourceIPs,
      userAgent: this.#head.userAgent,
      objectRef,
      responseStatus: this.#status,
      requestObject,
      responseObject: this.#responseObject,
      requestReceivedTimestamp: this.#receivedAt,
      stageTimestamp: stage === 'RequestReceived' ? this.#receivedAt : microTime(this.#clock.now()),
      annotations: annotations.values(),
    });
  }

  #requestObject(): AuditEvent['requestObject'] {
    const { annotations, request } = this.#exchange;
    const object = annotations.object ?? requestObjectOf(request);
    return this.#choice.omitManagedFields ? withoutManagedFields(object) : object;
  }

  /** The request is refused. */
  async failed(error: unknown): Promise<void> {
    const { status } = error instanceof ApiError ? error : internalError(errorText(error));
    this.#status = boundedStatus(status);
    if (this.#choice.level === 'RequestResponse') this.#responseObject = status as unknown as AuditEvent['responseObject'];
    await this.stage('ResponseComplete');
  }

  async refused(stage: AuditStage, { status }: ApiError, message: string): Promise<void> {
    this.#status = { ...boundedStatus(status), metadata: {}, message };
    await this.stage(stage);
  }

  /** @returns the response, whose body may report when it has been sent */
  async answered(response: TransportResponse): Promise<TransportResponse> {
    this.#status = { metadata: {}, code: response.status };
    if (isLongRunning(this.#exchange.info)) return await this.#longAnswer(response);
    if (this.#choice.level !== 'RequestResponse') {
      await this.stage('ResponseComplete');
      return response;
    }
    const captured = new CapturedBody(response);
    const body = captured.passedOn(async (object, isComplete) => {
      this.#isTruncated = !isComplete;
      this.#responseObject = this.#choice.omitManagedFields ? withoutManagedFields(object) : object;
      await this.stage('ResponseComplete');
    });
    return { ...response, body };
  }

  async #longAnswer(response: TransportResponse): Promise<TransportResponse> {
    await this.stage('ResponseStarted');
    const { over } = response;
    // An upgraded connection has ended here.
    if (response.status === 101 || over?.aborted === true) {
      await this.stage('ResponseComplete');
      return response;
    }
    if (over !== undefined) {
      over.addEventListener('abort', () => void this.stage('ResponseComplete'), { once: true });
      return response;
    }
    return { ...response, body: endTold(response.body, () => this.stage('ResponseComplete')) };
  }
}

async function* endTold(body: AsyncIterable<Uint8Array>, ended: () => unknown): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    await ended();
  }
}

const boundedStatus = ({ status, message, reason, details, code }: ApiError['status']): AuditEvent['responseStatus'] => ({
  metadata: {},
  status,
  message,
  reason,
  details,
  code,
});

const userOf = ({ name, uid = '', groups, extra }: UserInfo): AuditUser => ({
  ...(name === '' ? {} : { username: name }),
  ...(uid === '' ? {} : { uid }),
  ...(groups.length === 0 ? {} : { groups }),
  ...(Object.keys(extra).length === 0 ? {} : { extra }),
});

function objectRefOf({
  isResource,
  resource,
  namespace,
  name,
  group,
  version,
  subresource,
}: AuthorizationAttributes): AuditObjectRef | undefined {
  if (!isResource) return undefined;
  return {
    ...(resource === '' ? {} : { resource }),
    ...(namespace === '' ? {} : { namespace }),
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { apiGroup: group }),
    ...(version === '' ? {} : { apiVersion: version }),
    ...(subresource === '' ? {} : { subresource }),
  };
}

/** The fields in upstream's order. */
const inOrder = ({
  resource,
  namespace,
  name,
  uid,
  apiGroup,
  apiVersion,
  resourceVersion,
  subresource,
}: AuditObjectRef): AuditObjectRef => ({
  resource,
  namespace,
  name,
  uid,
  apiGroup,
  apiVersion,
  resourceVersion,
  subresource,
});

const shortened = (userAgent: string | undefined): string | undefined =>
  userAgent === undefined || userAgent.length <= maxUserAgent ? userAgent : `${userAgent.slice(0, maxUserAgent)}...TRUNCATED`;

/** The addresses in the proxies' headers first, then the connection's. A call within the process has this machine's address. */
function sourceIps(headers: Readonly<Record<string, string>>, remoteAddress = '127.0.0.1'): string[] {
  const told = (headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => isAddress(part));
  const real = headers['x-real-ip']?.trim() ?? '';
  if (isAddress(real) && !told.includes(real)) told.push(real);
  const peer = remoteAddress.replace(/^::ffff:/, '');
  return told.at(-1) === peer ? told : [...told, peer];
}

const isAddress = (text: string): boolean => /^[\d.]{7,15}$|^[\da-fA-F:.]*:[\da-fA-F:.]*$/.test(text);
