/**
 * Limits how many requests are served at a time, without priorities (`--enable-priority-and-fairness=false`): those that change something and the
 * others have a limit each. A request above the limit is answered 429. Administrators, health probes and whatever a FlowSchema leads to the
 * exempt priority level have no limit: they must be able to look at an overloaded server. With priorities: `flowcontrol/priority-levels.ts`.
 *
 * Source: apiserver `pkg/server/filters/maxinflight.go`, `longrunning.go`; the probes' exemption is that of API priority and fairness.
 */
import type { TransportResponse } from '#client/transport.ts';
import type { Flow } from '../flowcontrol/flow-schemas.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { textResponse } from '../rest/responses.ts';

/** Requests at a time. */
export interface InflightLimits {
  /** `--max-requests-inflight`; 0: no limit. */
  readOnly: number;
  /** `--max-mutating-requests-inflight`; 0: no limit. */
  mutating: number;
}

/** Upstream's. */
export const defaultInflightLimits: InflightLimits = { readOnly: 400, mutating: 200 };

/** Whether a request changes something. */
export type RequestKind = 'readOnly' | 'mutating';

const readOnlyVerbs = new Set(['get', 'list', 'watch']);
const longRunningVerbs = new Set(['watch', 'proxy']);
const longRunningSubresources = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);
const probes = /^\/(?:healthz|livez|readyz)(?:\/|$)/;
/** The release function of a request that holds no place, such as an exempt one. */
export const leaveNothing = (): void => undefined;

/** Which of the two limits the request counts against. */
export const requestKind = ({ verb }: RequestInfo): RequestKind => (readOnlyVerbs.has(verb) ? 'readOnly' : 'mutating');

/**
 * A function to call once, when the request has been answered. Otherwise the request is not served: a number of seconds after which the client
 * may come again, or undefined for one.
 */
export type Entered = (() => void) | number | undefined;

/** Decides whether a request is served, now or when there is room. */
export interface FlowControl {
  /** @param signal aborts when the client leaves */
  enter(info: RequestInfo, user: UserInfo, flow?: Flow, signal?: AbortSignal): Entered | Promise<Entered>;
  /** The most requests at a time since the last call, for the metric. */
  takePeak(kind: RequestKind): number;
}

/** Counts requests under way, of either kind. */
export class Inflight implements FlowControl {
  readonly #limits: InflightLimits;
  readonly #current = { readOnly: 0, mutating: 0 };
  /** The highest number since it was last asked for. */
  readonly #peak = { readOnly: 0, mutating: 0 };

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  enter(info: RequestInfo, user: UserInfo, flow?: Flow): (() => void) | undefined {
    if (isLongRunning(info) || probes.test(info.path)) return leaveNothing;
    const kind = requestKind(info);
    const limit = this.#limits[kind];
    if (limit === 0) return leaveNothing;
    const isExempt = flow?.level.spec.type === 'Exempt' || user.groups.includes('system:masters');
    if (this.#current[kind] >= limit) return isExempt ? leaveNothing : undefined;
    this.#current[kind] += 1;
    this.#peak[kind] = Math.max(this.#peak[kind], this.#current[kind]);
    return () => {
      this.#current[kind] -= 1;
    };
  }

  /** The most requests at a time since the last call, for the metric. */
  takePeak(kind: RequestKind): number {
    const peak = this.#peak[kind];
    this.#peak[kind] = this.#current[kind];
    return peak;
  }
}

/** The 429 that asks the client to come again. @param afterSeconds as `Retry-After` tells it */
export const tooManyRequests = (afterSeconds = 1): TransportResponse =>
  textResponse(429, 'Too many requests, please try again later.\n', { 'retry-after': String(afterSeconds) });

/** Requests that may take as long as they like (kube-apiserver's `BasicLongRunningRequestCheck`). */
export function isLongRunning({ isResource, verb, subresource }: RequestInfo): boolean {
  return isResource && (longRunningVerbs.has(verb) || longRunningSubresources.has(subresource));
}
