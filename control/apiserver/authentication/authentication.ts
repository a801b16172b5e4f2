/**
 * Authentication: a list of authenticators, each in a file of its own, asked in upstream's order. Those that decide with local
 * data come before those that ask another server.
 *
 * Source: kubernetes.io, Authenticating; kubernetes `pkg/kubeapiserver/authenticator/config.go`, apiserver
 * `pkg/endpoints/filters/authentication.go`.
 */
import { unauthorized } from '#api/status.ts';
import type { Clock } from '#client/clock.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { parseRequestInfo, type RequestInfo } from '../rest/request-info.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { anonymous } from './anonymous.ts';
import type { AuthenticationMetrics } from './authentication-metrics.ts';
import {
  type Authenticated,
  AuthenticationError,
  type AuthenticationRequest,
  audienceAgnostic,
  type ClientCertificate,
  commonAudiences,
  type RequestAuthenticators,
  type TokenAuthenticator,
  unionOfRequests,
  unionOfTokens,
  withAuthenticatedGroup,
} from './authenticator.ts';
import { bearerToken, webSocketToken } from './bearer-token.ts';
import { clientCertificates } from './client-certificate.ts';
import { type HeaderValues, headerValues } from './header-values.ts';
import { isIdentityHeader, type RequestHeaderOptions, requestHeaders } from './request-header.ts';

/** The credentials of a request: what its connection and its headers contain. */
export interface Credentials {
  certificate: ClientCertificate | undefined;
  headers: HeaderValues;
  /** The `Sec-WebSocket-Protocol` header of a WebSocket request. */
  protocols?: string | undefined;
}

/** The configured token authenticators. One that is absent is not used. */
export interface TokenAuthenticators {
  tokenFile?: TokenAuthenticator | undefined;
  /** Service account tokens: legacy ones in Secrets, and bound ones. */
  serviceAccounts: readonly TokenAuthenticator[];
  bootstrapTokens?: TokenAuthenticator | undefined;
  oidc?: TokenAuthenticator | undefined;
  webhook?: TokenAuthenticator | undefined;
}

/** What {@link Authentication} needs. */
export interface AuthenticationDeps {
  clock: Clock;
  log: ServerLog;
  metrics: AuthenticationMetrics;
  tokens: TokenAuthenticators;
  /** `--api-audiences`. */
  audiences: readonly string[];
  requestHeader: RequestHeaderOptions | undefined;
  /** The background work of the authenticators, until `signal` aborts. Never rejects. */
  background(signal: AbortSignal): Promise<void>;
  /** Says which requests may be anonymous. */
  allowsAnonymous(info: RequestInfo): boolean;
}

/** The answer to a TokenReview. */
export type TokenVerdict = { user: UserInfo; audiences: readonly string[] } | { error: string };

/** Authenticates requests. */
export class Authentication {
  /** Whether a header carries credentials or names the user. Such headers are removed once the user is known. */
  readonly isIdentityHeader: (header: string) => boolean;
  readonly #deps: AuthenticationDeps;
  readonly #known: RequestAuthenticators;
  readonly #anonymous: RequestAuthenticators;

  constructor(deps: AuthenticationDeps) {
    const { clock, metrics, requestHeader } = deps;
    this.#deps = deps;
    this.isIdentityHeader = isIdentityHeader(requestHeader);
    const tokens = unionOfTokens(ordered(deps.tokens, deps.audiences));
    this.#known = unionOfRequests([
      ...(requestHeader === undefined ? [] : [requestHeaders(requestHeader, clock)]),
      clientCertificates(clock, (secondsLeft) => metrics.certificateLifetime(secondsLeft)),
      bearerToken(tokens),
      webSocketToken(tokens),
    ]);
    this.#anonymous = unionOfRequests([anonymous(({ info }) => deps.allowsAnonymous(info))]);
  }

  /** The background work of the authenticators, until `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void> {
    return this.#deps.background(signal);
  }

  /** The user of a request. @throws ApiError 401, without details in its message */
  async authenticate(
    { certificate, headers, protocols }: Credentials,
    info: RequestInfo,
    warn: (message: string) => void,
  ): Promise<UserInfo> {
    const { metrics, log, audiences } = this.#deps;
    const startMs = performance.now();
    const seconds = (): number => (performance.now() - startMs) / 1000;
    try {
      const answer = await this.#ask({ certificate, headers, protocols, info, audiences, warn });
      metrics.attempt(answer === undefined ? 'failure' : 'success', seconds(), answer?.user.name);
      if (answer === undefined) throw unauthorized();
      return answer.user;
    } catch (error) {
      if (!(error instanceof AuthenticationError)) throw error;
      metrics.attempt('error', seconds());
      log.info({ reason: error.message }, 'a request could not be authenticated');
      throw unauthorized();
    }
  }

  /**
   * Asks the authenticators. Wrong credentials are an error; they do not make the request anonymous.
   * @throws AuthenticationError
   */
  async #ask(request: AuthenticationRequest): Promise<Authenticated | undefined> {
    const known = await this.#known.authenticateRequest(request);
    if (known === undefined) return await this.#anonymous.authenticateRequest(request);
    const { audiences } = this.#deps;
    const accepted = known.audiences ?? [];
    if (accepted.length > 0 && audiences.length > 0 && commonAudiences(accepted, audiences).length === 0)
      throw new AuthenticationError(`unable to match the audience: [${accepted.join(' ')}] , accepted: [${audiences.join(' ')}]`);
    return { ...known, user: withAuthenticatedGroup(known.user) };
  }

  /** The answer to a TokenReview: the same authenticators check a request that has only this token. */
  async review(token: string, asked: readonly string[]): Promise<TokenVerdict> {
    const audiences = asked.length === 0 ? this.#deps.audiences : asked;
    const headers = headerValues(['authorization', `Bearer ${token}`]);
    const info = parseRequestInfo('GET', '/');
    try {
      const request = { certificate: undefined, headers, protocols: undefined, info, audiences, warn: () => undefined };
      const known = await this.#known.authenticateRequest(request);
      if (known === undefined) return { error: 'invalid bearer token' };
      return { user: withAuthenticatedGroup(known.user), audiences: known.audiences ?? [] };
    } catch (error) {
      if (error instanceof AuthenticationError) return { error: error.message };
      throw error;
    }
  }
}

/** OIDC comes after service accounts: both read JWTs, and OIDC may have to ask its issuer for keys. */
function ordered(tokens: TokenAuthenticators, audiences: readonly string[]): TokenAuthenticator[] {
  const agnostic = (one: TokenAuthenticator | undefined): TokenAuthenticator[] =>
    one === undefined ? [] : [audienceAgnostic(one, audiences)];
  return [
    ...agnostic(tokens.tokenFile),
    ...tokens.serviceAccounts,
    ...agnostic(tokens.bootstrapTokens),
    ...agnostic(tokens.oidc),
    ...(tokens.webhook === undefined ? [] : [tokens.webhook]),
  ];
}
