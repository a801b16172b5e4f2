/**
 * `Impersonate-User`, `-Group`, `-Uid` and `-Extra-*`: a request that acts as another user, if the authorizer allows one of several modes
 * (KEP-5284). All modes but the last also limit which requests may be sent that way.
 *
 * Source: kubernetes.io, User impersonation; apiserver `pkg/endpoints/filters/impersonation`.
 */
import { ApiError, badRequest } from '#api/status.ts';
import type { AuthorizationAttributes, Authorizer } from '../../authorization/authorization.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import type { HeaderValues } from '../header-values.ts';
import type { ImpersonationMetrics } from './impersonation-metrics.ts';
import { type ImpersonationMode, impersonationModes, type WantedUser } from './modes.ts';

const extraPrefix = 'impersonate-extra-';

function read({ header, headerNames }: HeaderValues): WantedUser | undefined {
  const [user = ''] = header('impersonate-user');
  const [uid = ''] = header('impersonate-uid');
  const groups = [...header('impersonate-group')];
  const keys = [...headerNames()].filter((name) => name.startsWith(extraPrefix));
  // A Map, because a key may be `__proto__`.
  const extra = Object.fromEntries(keys.map((name) => [unescaped(name.slice(extraPrefix.length)), [...header(name)]]));
  if (user !== '') return { user, uid, groups, extra };
  if (groups.length === 0 && uid === '' && Object.keys(extra).length === 0) return undefined;
  throw badRequest(`requested ${goText({ uid, groups, extra })} without impersonating a user name`);
}

/** As Go prints upstream's `user.DefaultInfo` (`%#v`). */
function goText({ uid, groups, extra }: Omit<WantedUser, 'user'>): string {
  const list = (texts: readonly string[]): string => texts.map((text) => JSON.stringify(text)).join(', ');
  const slice = (texts: readonly string[]): string => `[]string${texts.length === 0 ? '(nil)' : `{${list(texts)}}`}`;
  const entries = Object.keys(extra)
    .sort()
    .map((key) => `${JSON.stringify(key)}:[]string{${list(extra[key] ?? [])}}`);
  const map = `map[string][]string${entries.length === 0 ? '(nil)' : `{${entries.join(', ')}}`}`;
  return `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid)}, Groups:${slice(groups)}, Extra:${map}}`;
}

/** A key with an invalid encoding is used as it is. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** Whether a header asks to act as somebody else. */
export const asksToImpersonate = (name: string): boolean => name.startsWith('impersonate-');

/** Impersonates users, if the authorizer allows it. The mode that was allowed last for a requestor is tried first the next time. */
export class Impersonation {
  readonly #modes: readonly ImpersonationMode[];
  readonly #metrics: ImpersonationMetrics;
  /** In the order of their last use. */
  readonly #lastModes = new Map<string, ImpersonationMode>();

  constructor(authorizer: Authorizer, metrics: ImpersonationMetrics) {
    this.#modes = impersonationModes(metrics.counted(authorizer));
    this.#metrics = metrics;
  }

  /**
   * The user that the request acts as: the requestor, unless it asks otherwise.
   * @param attributes what the requestor wants to do @throws ApiError 400, 403 as upstream
   */
  async userOf(headers: HeaderValues, attributes: AuthorizationAttributes): Promise<UserInfo> {
    const { user: requestor } = attributes;
    const wanted = read(headers);
    if (wanted === undefined) return requestor;
    const last = this.#lastModes.get(requestor.name);
    let first: unknown;
    const startMs = performance.now();
    const seconds = (): number => (performance.now() - startMs) / 1000;
    for (const mode of last === undefined ? this.#modes : [last, ...this.#modes.filter((one) => one !== last)]) {
      try {
        const user = await mode.check(wanted, attributes);
        if (user === undefined) continue;
        this.#remember(requestor.name, mode);
        this.#metrics.attempt(mode.name, 'allowed', seconds());
        return user;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        first ??= error;
      }
    }
    this.#metrics.attempt('', 'denied', seconds());
    throw first;
  }

  #remember(requestor: string, mode: ImpersonationMode): void {
    this.#lastModes.delete(requestor);
    this.#lastModes.set(requestor, mode);
    for (const [oldest] of this.#lastModes) {
      if (this.#lastModes.size <= maxRemembered) break;
      this.#lastModes.delete(oldest);
    }
  }
}

/** Upstream's. */
const maxRemembered = 10_000;
