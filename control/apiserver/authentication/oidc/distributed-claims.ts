/**
 * Distributed claims: a token may name another server that has the groups. It answers with a token of its own.
 *
 * Source: OpenID Connect Core 1.0, section 5.6.2; apiserver `plugin/pkg/authenticator/token/oidc/oidc.go` (claimResolver).
 */

import { errorText } from '#api/error-text.ts';
import { isJsonObject } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import type { Clock } from '#client/clock.ts';
import { askOutside, OutsideError } from '#client/outside-request.ts';
import type { ServerLog } from '../../serving/server-log.ts';
import { AuthenticationError } from '../authenticator.ts';
import { untrustedIssuer } from '../untrusted-claims.ts';
import type { Claims } from './claims.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { JwtIssuer } from './jwt-issuer.ts';
import { TokenVerifier } from './token-verifier.ts';

/** The maximum number of issuers whose keys are kept. Tokens name these issuers, so there must be a limit. */
const maxIssuers = 16;

/** What {@link DistributedClaims} needs. */
export interface DistributedClaimsDeps {
  clock: Clock;
  log: ServerLog;
  ask?: typeof askOutside;
}

/**
 * Fetches claims that a token only refers to. Source: OpenID Connect Core 1.0, section 5.6.2. @throws (its methods) Error when they cannot
 * be fetched or verified
 */
export class DistributedClaims {
  readonly #issuer: JwtIssuer;
  readonly #claim: string;
  readonly #deps: DistributedClaimsDeps;
  readonly #verifiers = new Map<string, Promise<TokenVerifier>>();
  readonly #ended = new AbortController();

  /** @param claim the name of the groups claim */
  constructor(issuer: JwtIssuer, claim: string, deps: DistributedClaimsDeps) {
    this.#issuer = issuer;
    this.#claim = claim;
    this.#deps = deps;
  }

  /** Stops fetching keys. */
  end(): void {
    this.#ended.abort();
  }

  /** The claims, completed by the one that was fetched from another server. @throws AuthenticationError */
  async expand(claims: Claims): Promise<Claims> {
    const endpoint = this.#endpoint(claims);
    if (endpoint === undefined) return claims;
    try {
      return { ...claims, [this.#claim]: await this.#resolve(endpoint) };
    } catch (error) {
      if (!(error instanceof AuthenticationError) && !(error instanceof OutsideError)) throw error;
      throw new AuthenticationError(`oidc: could not expand distributed claims: ${errorText(error)}`, { cause: error });
    }
  }

  /** Undefined: the claim is not distributed. @throws AuthenticationError for claims that cannot be read */
  #endpoint(claims: Claims): { url: string; accessToken: string } | undefined {
    const fail = (why: string): never => {
      throw new AuthenticationError(`oidc: could not expand distributed claims: ${why}`);
    };
    if (ownValue(claims, this.#claim) !== undefined || ownValue(claims, '_claim_names') === undefined) return undefined;
    const names = asRecord(claims['_claim_names']) ?? fail('oidc: error parsing distributed claim names: they are no object');
    if (ownValue(claims, '_claim_sources') === undefined) fail('oidc: no claim sources');
    const sources = asRecord(claims['_claim_sources']) ?? fail('oidc: could not parse claim sources: they are no object');
    const source = ownValue(names, this.#claim);
    if (source === undefined) return undefined;
    const name = String(source);
    const found = asRecord(ownValue(sources, name));
    if (found === undefined) return fail(`id token _claim_names contained a source ${name} missing in _claims_sources`);
    const { endpoint = '', access_token: accessToken = '' } = found;
    if (typeof endpoint !== 'string' || typeof accessToken !== 'string')
      return fail('oidc: could not parse claim sources: an endpoint is no text');
    // It may be an aggregated claim.
    return endpoint === '' ? undefined : { url: endpoint, accessToken };
  }

  async #resolve({ url, accessToken }: { url: string; accessToken: string }): Promise<unknown> {
    const fail = (why: string): never => {
      throw new AuthenticationError(why);
    };
    if (!URL.canParse(url) || !['https:', 'http:'].includes(new URL(url).protocol))
      fail(`while getting distributed claim ${JSON.stringify(this.#claim)}: its endpoint is no URL`);
    const headers: Record<string, string> = accessToken === '' ? {} : { authorization: `Bearer ${accessToken}` };
    const { ask = askOutside } = this.#deps;
    const token = (await ask({ url, ca: this.#issuer.ca, headers })).trim();
    const issuer =
      untrustedIssuer(token) ??
      fail(`getting untrusted issuer from endpoint ${url} failed for claim ${JSON.stringify(this.#claim)}`);
    const verifier = await this.#verifierOf(issuer);
    if (!verifier.keys.isKnown)
      fail(`verifying untrusted issuer ${issuer} failed: verifier not initialized for issuer: ${JSON.stringify(issuer)}`);
    const value = ownValue(await verifier.verify(token), this.#claim);
    if (value === undefined)
      fail(`jwt returned by distributed claim endpoint ${JSON.stringify(url)} did not contain claim: ${this.#claim}`);
    return value;
  }

  /** Waits for the issuer's keys the first time. @throws AuthenticationError if there are too many issuers */
  #verifierOf(issuer: string): Promise<TokenVerifier> {
    const known = this.#verifiers.get(issuer);
    if (known !== undefined) return known;
    if (this.#verifiers.size >= maxIssuers || urlIsWrong(issuer))
      throw new AuthenticationError(`verifying untrusted issuer ${JSON.stringify(issuer.slice(0, 200))} failed`);
    const keys = new IssuerKeys({ url: issuer, ca: this.#issuer.ca }, this.#deps);
    const verifier = new TokenVerifier(this.#issuer, keys, this.#deps.clock);
    const asked = new Promise<TokenVerifier>((resolve) => {
      void keys.run(this.#ended.signal, () => resolve(verifier)).then(() => resolve(verifier));
    });
    this.#verifiers.set(issuer, asked);
    return asked;
  }
}

const urlIsWrong = (url: string): boolean => !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol);

const asRecord = (value: unknown): Record<string, unknown> | undefined => (isJsonObject(value) ? value : undefined);
