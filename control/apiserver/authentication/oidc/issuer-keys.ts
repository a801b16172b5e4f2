/**
 * The public keys of an issuer. Their URL is in its OpenID configuration. They are fetched in the background until the issuer answers, and
 * again when a token names an unknown key.
 *
 * Source: OpenID Connect Discovery 1.0; RFC 7517; go-oidc (`jwks.go`).
 */
import { type CryptoKey, importJWK, type JWK } from 'jose';
import { errorText } from '#api/error-text.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { askOutside } from '#client/outside-request.ts';
import type { ServerLog } from '../../serving/server-log.ts';
import type { JwtIssuer } from './jwt-issuer.ts';

/** The time until an issuer that did not answer is asked again, and the minimum time between two fetches of keys. */
const intervalMs = 10_000;
/** Larger key sets are refused. */
const maxKeys = 100;

/** What {@link IssuerKeys} needs. */
export interface IssuerKeysDeps {
  clock: Clock;
  log: ServerLog;
  /** @throws Error */
  ask?: typeof askOutside;
}

/**
 * The public keys of an issuer, found by its discovery document and fetched again when a token names an unknown one. Source:
 * OpenID Connect Discovery 1.0.
 */
export class IssuerKeys {
  readonly #issuer: Pick<JwtIssuer, 'url' | 'discoveryUrl' | 'ca'>;
  readonly #clock: Clock;
  readonly #log: ServerLog;
  readonly #ask: typeof askOutside;
  #jwksUrl: string | undefined;
  #keys: readonly JWK[] = [];
  #imported = new Map<string, Promise<CryptoKey | Uint8Array>>();
  #fetchedMs = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor(issuer: Pick<JwtIssuer, 'url' | 'discoveryUrl' | 'ca'>, { clock, log, ask = askOutside }: IssuerKeysDeps) {
    this.#issuer = issuer;
    this.#clock = clock;
    this.#log = log;
    this.#ask = ask;
  }

  /** Whether the issuer's OpenID configuration has been fetched. */
  get isKnown(): boolean {
    return this.#jwksUrl !== undefined;
  }

  /**
   * Asks the issuer until it has answered, or `signal` aborts. Never rejects.
   * @param asked called once the first attempt is over
   */
  async run(signal: AbortSignal, asked: () => void = () => undefined): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#discover();
        await this.refresh();
        asked();
        return;
      } catch (error) {
        this.#log.warn(
          { issuer: this.#issuer.url, reason: errorText(error) },
          'the OIDC issuer could not be asked; trying again',
        );
      }
      asked();
      await sleep(this.#clock, intervalMs, signal);
    }
  }

  async #discover(): Promise<void> {
    const url = this.#issuer.discoveryUrl ?? `${this.#issuer.url.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const { issuer, jwks_uri: jwksUrl } = objectIn(await this.#ask({ url, ca: this.#issuer.ca }));
    if (issuer !== this.#issuer.url)
      throw new Error(`issuer did not match the issuer returned by provider, expected ${JSON.stringify(this.#issuer.url)}`);
    if (typeof jwksUrl !== 'string' || !/^https?:/.test(jwksUrl)) throw new Error('provider did not return JWKS URL');
    this.#jwksUrl = jwksUrl;
  }

  /** The keys with this ID; all keys for a token without an ID. Some may not fit the algorithm. */
  find(kid: string | undefined): readonly JWK[] {
    return kid === undefined || kid === '' ? this.#keys : this.#keys.filter((key) => key.kid === kid);
  }

  /** @throws JOSEError or TypeError for a key that does not fit the algorithm */
  import(key: JWK, alg: string): Promise<CryptoKey | Uint8Array> {
    const id = `${this.#keys.indexOf(key)} ${alg}`;
    const known = this.#imported.get(id) ?? importJWK(key, alg);
    this.#imported.set(id, known);
    return known;
  }

  /**
   * Fetches the keys again. Concurrent callers share one request, and there is at most one request in ten seconds.
   * @throws Error that says why the issuer's answer cannot be used
   */
  async refresh(): Promise<void> {
    if (this.#fetching !== undefined) return await this.#fetching;
    if (this.#jwksUrl === undefined || this.#clock.monotonic() - this.#fetchedMs < intervalMs) return;
    this.#fetchedMs = this.#clock.monotonic();
    this.#fetching = this.#fetch(this.#jwksUrl).finally(() => {
      this.#fetching = undefined;
    });
    await this.#fetching;
  }

  async #fetch(url: string): Promise<void> {
    const { keys } = objectIn(await this.#ask({ url, ca: this.#issuer.ca }));
    if (!Array.isArray(keys)) throw new Error(`${url}: there are no keys in its answer`);
    const usable = keys.filter((key): key is JWK => typeof key === 'object' && key !== null && (key.use ?? 'sig') === 'sig');
    this.#keys = usable.slice(0, maxKeys);
    this.#imported = new Map();
  }
}

function objectIn(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error('its answer is not JSON', { cause: error });
  }
  if (typeof value !== 'object' || value === null) throw new Error('its answer is not an object');
  return value as Record<string, unknown>;
}
