/**
 * OpenID Connect: authenticates users by tokens that an issuer outside the cluster has signed.
 *
 * Source: apiserver `plugin/pkg/authenticator/token/oidc`; kubernetes.io, Authenticating (OpenID Connect tokens).
 */
import type { Clock } from '#client/clock.ts';
import type { askOutside } from '#client/outside-request.ts';
import type { ServerLog } from '../../serving/server-log.ts';
import { type Authenticated, AuthenticationError, type TokenAuthenticator } from '../authenticator.ts';
import { untrustedIssuer } from '../untrusted-claims.ts';
import { userOf } from './claims.ts';
import { DistributedClaims } from './distributed-claims.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { JwtIssuer } from './jwt-issuer.ts';
import { TokenVerifier } from './token-verifier.ts';

/** What an authenticator of one issuer needs. */
export interface OidcDeps {
  clock: Clock;
  log: ServerLog;
  ask?: typeof askOutside;
}

/** Authenticates users by the tokens of one issuer. It has no opinion on tokens of other issuers. */
export class OidcAuthenticator implements TokenAuthenticator {
  readonly #issuer: JwtIssuer;
  readonly #verifier: TokenVerifier;
  readonly #distributed: DistributedClaims | undefined;

  constructor(issuer: JwtIssuer, deps: OidcDeps) {
    this.#issuer = issuer;
    this.#verifier = new TokenVerifier(issuer, new IssuerKeys(issuer, deps), deps.clock);
    const { groups } = issuer;
    this.#distributed = groups !== undefined && 'claim' in groups ? new DistributedClaims(issuer, groups.claim, deps) : undefined;
  }

  /** Whether the issuer's OpenID configuration has been fetched. */
  get isReady(): boolean {
    return this.#verifier.keys.isKnown;
  }

  /** Asks the issuer for its keys, until it has answered or `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#distributed?.end(), { once: true });
    await this.#verifier.keys.run(signal);
  }

  async authenticateToken(token: string): Promise<Authenticated | undefined> {
    const { url } = this.#issuer;
    const issuer = untrustedIssuer(token);
    // Older tokens of Google have the issuer without `https://`.
    if (issuer !== url && !(issuer === 'accounts.google.com' && url === 'https://accounts.google.com')) return undefined;
    if (!this.isReady) throw new AuthenticationError('oidc: authenticator not initialized');
    const claims = await this.#verifier.verify(token);
    return { user: userOf((await this.#distributed?.expand(claims)) ?? claims, this.#issuer) };
  }
}
