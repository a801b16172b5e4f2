/** Whether a token was signed by an issuer, is for one of our audiences, and is valid now. Source: go-oidc (`verify.go`). */
import { compactVerify, decodeProtectedHeader, type JWTPayload } from 'jose';
import { errorText } from '#api/error-text.ts';
import type { Clock } from '#client/clock.ts';
import { AuthenticationError } from '../authenticator.ts';
import type { Claims } from './claims.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import type { JwtIssuer } from './jwt-issuer.ts';

/** go-oidc's leeway for `nbf`. */
const leewayMs = 60_000;

/** Checks signature, times and audience of a token (RFC 7515, RFC 7519). @throws (its methods) Error with the reason why it is not valid */
export class TokenVerifier {
  readonly #settings: Pick<JwtIssuer, 'audiences' | 'signingAlgs'>;
  readonly keys: IssuerKeys;
  readonly #clock: Clock;

  constructor(settings: Pick<JwtIssuer, 'audiences' | 'signingAlgs'>, keys: IssuerKeys, clock: Clock) {
    this.#settings = settings;
    this.keys = keys;
    this.#clock = clock;
  }

  /** @returns the claims @throws AuthenticationError */
  async verify(token: string): Promise<Claims> {
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
    const { signingAlgs, audiences } = this.#settings;
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
      await this.keys.refresh();
    } catch (error) {
      throw new AuthenticationError(`oidc: verify token: failed to verify signature: fetching keys ${errorText(error)}`, {
        cause: error,
      });
    }
    return await this.#verified(token, alg, kid);
  }

  /** Undefined: it was signed by none of the keys. */
  async #verified(token: string, alg: string, kid: string | undefined): Promise<JWTPayload | undefined> {
    for (const key of this.keys.find(kid)) {
      if (key.alg !== undefined && key.alg !== alg) continue;
      try {
        const { payload } = await compactVerify(token, await this.keys.import(key, alg), { algorithms: [alg] });
        const claims: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
        return typeof claims === 'object' && claims !== null ? (claims as JWTPayload) : undefined;
      } catch {
        // The signature is wrong, or the key does not fit the algorithm: the next key is tried.
      }
    }
    return undefined;
  }
}

const quoted = (list: readonly string[]): string => `[${list.map((one) => JSON.stringify(one)).join(' ')}]`;
