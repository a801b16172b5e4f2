/**
 * OpenID Connect: users that an issuer outside the cluster has signed a token for.
 *
 * Source: apiserver `plugin/pkg/authenticator/token/oidc`; kubernetes.io, Authenticating (OpenID Connect tokens).
 */
import { compactVerify, decodeProtectedHeader, type JWTPayload } from 'jose';
import { errorText } from '#api/error-text.ts';
import { ownValue } from '#api/own-value.ts';
import type { Clock } from '#client/clock.ts';
import { type Authenticated, AuthenticationError, type TokenAuthenticator } from '../authenticator.ts';
import { untrustedIssuer } from '../untrusted-claims.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import type { JwtIssuer } from './jwt-issuer.ts';

/** go-oidc's, for `nbf`. */
const leewayMs = 60_000;

/** Knows users by the tokens of one issuer. Tokens of others it leaves to others. */
export class OidcAuthenticator implements TokenAuthenticator {
  readonly #issuer: JwtIssuer;
  readonly #keys: IssuerKeys;
  readonly #clock: Clock;

  constructor(issuer: JwtIssuer, keys: IssuerKeys, clock: Clock) {
    this.#issuer = issuer;
    this.#keys = keys;
    this.#clock = clock;
  }

  /** Asks the issuer for its keys, until it has answered or `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#keys.run(signal);
  }

  async authenticateToken(token: string): Promise<Authenticated | undefined> {
    const { url, username, groups } = this.#issuer;
    const issuer = untrustedIssuer(token);
    // Google's tokens of old.
    if (issuer !== url && !(issuer === 'accounts.google.com' && url === 'https://accounts.google.com')) return undefined;
    if (!this.#keys.isKnown) throw new AuthenticationError('oidc: authenticator not initialized');
    const claims = await this.#verify(token);
    const user = { name: usernameOf(claims, username), groups: groupsOf(claims, groups) };
    this.#checkRequired(claims);
    const jti = ownValue(claims, 'jti');
    const id = typeof jti === 'string' && jti !== '' ? { 'authentication.kubernetes.io/credential-id': [`JTI=${jti}`] } : {};
    return { user: { ...user, extra: id } };
  }

  async #verify(token: string): Promise<Record<string, unknown>> {
    const fail = (why: string, cause?: unknown): never => {
      throw new AuthenticationError(`oidc: verify token: ${why}`, { cause });
    };
    let header: { alg?: string; kid?: string };
    try {
      header = decodeProtectedHeader(token);
    } catch (error) {
      return fail('oidc: malformed jwt', error);
    }
    const { alg = '', kid } = header;
    const { signingAlgs, audiences } = this.#issuer;
    if (!signingAlgs.includes(alg))
      fail(`oidc: id token signed with unsupported algorithm, expected ${quoted(signingAlgs)} got ${JSON.stringify(alg)}`);
    const payload = (await this.#verified(token, alg, kid)) ?? (await this.#withNewKeys(token, alg, kid));
    if (payload === undefined) return fail('failed to verify signature: failed to verify id token signature');
    const { aud = [], exp, nbf } = payload;
    const meant = typeof aud === 'string' ? [aud] : aud;
    if (!meant.some((one) => audiences.includes(one)))
      fail(`oidc: expected audience in ${quoted(audiences)} got ${quoted(meant)}`);
    const nowMs = this.#clock.now();
    if (typeof exp !== 'number' || exp * 1000 < nowMs) fail('oidc: token is expired');
    if (nbf !== undefined && nowMs + leewayMs < nbf * 1000) fail('oidc: current time is before the nbf (not before) time');
    return payload;
  }

  async #withNewKeys(token: string, alg: string, kid: string | undefined): Promise<JWTPayload | undefined> {
    try {
      await this.#keys.refresh();
    } catch (error) {
      throw new AuthenticationError(`oidc: verify token: failed to verify signature: fetching keys ${errorText(error)}`, {
        cause: error,
      });
    }
    return await this.#verified(token, alg, kid);
  }

  /** Undefined: none of the keys has signed it. */
  async #verified(token: string, alg: string, kid: string | undefined): Promise<JWTPayload | undefined> {
    for (const key of this.#keys.find(kid)) {
      if (key.alg !== undefined && key.alg !== alg) continue;
      try {
        const { payload } = await compactVerify(token, await this.#keys.import(key, alg), { algorithms: [alg] });
        const claims: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
        return typeof claims === 'object' && claims !== null ? (claims as JWTPayload) : undefined;
      } catch {
        // Another key may have signed it: a wrong signature, or a key that does not go with the algorithm.
      }
    }
    return undefined;
  }

  #checkRequired(claims: Record<string, unknown>): void {
    for (const [claim, wanted] of this.#issuer.requiredClaims) {
      const value = ownValue(claims, claim);
      if (value === undefined) throw new AuthenticationError(`oidc: required claim ${claim} not present in ID token`);
      if (typeof value !== 'string') throw new AuthenticationError(`oidc: parse claim ${claim}: it is not a string`);
      if (value !== wanted)
        throw new AuthenticationError(`oidc: required claim ${claim} value does not match. Got = ${value}, want = ${wanted}`);
    }
  }
}

const quoted = (list: readonly string[]): string => `[${list.map((one) => JSON.stringify(one)).join(' ')}]`;

function usernameOf(claims: Record<string, unknown>, { claim, prefix }: JwtIssuer['username']): string {
  const name = ownValue(claims, claim);
  if (name === undefined)
    throw new AuthenticationError(`oidc: parse username claims ${JSON.stringify(claim)}: claim not present`);
  if (typeof name !== 'string')
    throw new AuthenticationError(`oidc: parse username claims ${JSON.stringify(claim)}: it is not a string`);
  const verified = claim === 'email' ? ownValue(claims, 'email_verified') : undefined;
  if (verified !== undefined && typeof verified !== 'boolean')
    throw new AuthenticationError("oidc: parse 'email_verified' claim: it is not a boolean");
  if (verified === false) throw new AuthenticationError('oidc: email not verified');
  return `${prefix}${name}`;
}

/** A claim of one text is one group. */
function groupsOf(claims: Record<string, unknown>, groups: JwtIssuer['groups']): string[] {
  const value = groups === undefined ? undefined : ownValue(claims, groups.claim);
  if (groups === undefined || value === undefined || value === null) return [];
  const list: unknown[] = typeof value === 'string' ? [value] : Array.isArray(value) ? value : [undefined];
  if (!list.every((group) => typeof group === 'string'))
    throw new AuthenticationError(
      `oidc: parse groups claim ${JSON.stringify(groups.claim)}: it is neither a string nor a list of strings`,
    );
  return list.map((group) => `${groups.prefix}${group}`);
}
