/**
 * What a request passes on its way to its handler, and its answer on the way back: a list of filters, the same for requests over HTTPS,
 * calls within the process, and connections that ask to become something else.
 *
 * Source: apiserver `pkg/server/config.go` (DefaultBuildHandlerChain).
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { AuditAnnotations } from '../audit/audit-annotations.ts';
import type { Credentials } from '../authentication/authentication.ts';
import type { Flow } from '../flowcontrol/flow-schemas.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { Body } from './body-reader.ts';
import type { WarningRecorder } from './warnings.ts';

/** A client's connection that asks to become something else. */
export interface UpgradingConnection {
  message: IncomingMessage;
  socket: Duplex;
  /** Bytes that the client sent after the request head (Node's `head`). */
  head: Buffer;
}

/** How a request arrived: the connection's facts, which the request itself does not contain. */
export interface Arrival {
  /** `user`: within the process, where it is known. `credentials`: over the network. */
  sender: { user: UserInfo } | { credentials: Credentials };
  /** Absent: the body, if there is one, is in the request. @param isPassedOn as it comes, unread and of any size */
  readBody?(isPassedOn: boolean): Promise<Body>;
  /** The answer 101 then says that the connection has been taken over, has ended, and takes no answer any more. */
  upgrade?: UpgradingConnection;
  /** The request info, if the caller has parsed it already. */
  info?: RequestInfo;
  /** How long it may take, in milliseconds, unless it is long-running. Default: a minute, upstream's `--request-timeout`. */
  timeoutMs?: number;
  /** Told who it is as soon as that is known; whoever is refused is never known. */
  identified?(user: UserInfo): void;
}

/** A request on its way through the chain. */
export interface ServedRequest {
  request: TransportRequest;
  readonly info: RequestInfo;
  readonly arrival: Arrival;
  /** Anonymous before authentication, then the sender; after impersonation, the impersonated user. */
  user: UserInfo;
  /** The request's FlowSchema and priority level, set by the filter `classification`. Absent: flow control does not limit it. */
  flow?: Flow;
  /** Texts for `Warning:` headers. */
  readonly warnings: WarningRecorder;
  /** For its audit event. */
  readonly annotations: AuditAnnotations;
  /** The audit ID, as in the header Audit-Id; '' before the first filter. */
  auditId: string;
}

/**
 * A filter either returns its own response, or calls `next` for the response of the later filters and the handler. Its name is
 * the function's. @throws ApiError, which becomes the response
 */
export type Filter = (exchange: ServedRequest, next: () => Promise<TransportResponse>) => Promise<TransportResponse>;

/** Lets the request pass all filters, first to last, to the handler. */
export function passThrough(
  filters: readonly Filter[],
  exchange: ServedRequest,
  handler: (exchange: ServedRequest) => Promise<TransportResponse>,
): Promise<TransportResponse> {
  const from = (index: number): Promise<TransportResponse> => {
    const filter = filters[index];
    return filter === undefined ? handler(exchange) : filter(exchange, () => from(index + 1));
  };
  return from(0);
}
