/**
 * The token issuers of the current configuration. When it changes, the issuers are replaced and the token cache is cleared.
 *
 * Source: kubernetes `pkg/kubeapiserver/authenticator/config.go` (updateAuthenticationConfig).
 */
import { sleep } from '#client/clock.ts';
import type { AuthenticationMetrics } from '../authentication-metrics.ts';
import { type AuthenticatorAnswer, type TokenAuthenticator, type TokenContext, unionOfTokens } from '../authenticator.ts';
import { TokenCache } from '../token-cache.ts';
import type { JwtIssuer } from './jwt-issuer.ts';
import { OidcAuthenticator, type OidcDeps } from './oidc-authenticator.ts';

/** Upstream's `TokenSuccessCacheTTL`. */
const cacheMs = 10_000;
/** How long new issuers may take to publish their keys. Until then the old issuers are used. */
const readyMs = 60_000;
const lookMs = 500;

interface Generation {
  tokens: TokenAuthenticator;
  authenticators: readonly OidcAuthenticator[];
  ended: AbortController;
}

/** The current token issuers. A changed configuration replaces all of them at once. */
export class JwtIssuers implements TokenAuthenticator {
  readonly #deps: OidcDeps;
  readonly #metrics: AuthenticationMetrics;
  #current: Generation;

  constructor(issuers: readonly JwtIssuer[], deps: OidcDeps, metrics: AuthenticationMetrics) {
    this.#deps = deps;
    this.#metrics = metrics;
    this.#current = this.#generation(issuers);
  }

  authenticateToken(token: string, context: TokenContext): AuthenticatorAnswer {
    return this.#current.tokens.authenticateToken(token, context);
  }

  /** Asks the issuers for their keys until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#start(this.#current, signal);
  }

  /** @returns false, and keeps the old issuers, if one of the new issuers has not answered within a minute */
  async replace(issuers: readonly JwtIssuer[], signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#deps;
    const next = this.#generation(issuers);
    void this.#start(next, signal);
    const untilMs = clock.monotonic() + readyMs;
    while (!next.authenticators.every(({ isReady }) => isReady)) {
      if (signal.aborted || clock.monotonic() >= untilMs) {
        next.ended.abort();
        return false;
      }
      await sleep(clock, lookMs, signal);
    }
    this.#current.ended.abort();
    this.#current = next;
    return true;
  }

  #generation(issuers: readonly JwtIssuer[]): Generation {
    const authenticators = issuers.map((issuer) => new OidcAuthenticator(issuer, this.#deps));
    const { clock } = this.#deps;
    const cached = new TokenCache(unionOfTokens(authenticators), { successMs: cacheMs, failureMs: 0 }, clock, this.#metrics);
    return { tokens: cached, authenticators, ended: new AbortController() };
  }

  async #start({ authenticators, ended }: Generation, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, ended.signal]);
    await Promise.all(authenticators.map((one) => one.run(either)));
  }
}
