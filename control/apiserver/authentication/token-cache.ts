/**
 * Caches authentication results of tokens for some seconds, because verifying a signature or asking another server is expensive. Requests
 * with the same token at the same time share one look-up.
 *
 * Source: apiserver `pkg/authentication/token/cache` (10 s for what is known; keys are a keyed hash, so that no token stays in
 * memory).
 */
import { createHmac, randomBytes } from 'node:crypto';
import { type Clock, within } from '#client/clock.ts';
import type { AuthenticationMetrics } from './authentication-metrics.ts';
import { type Authenticated, AuthenticationError, type TokenAuthenticator, type TokenContext } from './authenticator.ts';

/** How long results are kept. */
export interface TokenCacheOptions {
  /** For successful results, in milliseconds. 0: they are not cached. */
  successMs: number;
  /** For unknown tokens, in milliseconds. Errors are never cached. */
  failureMs: number;
}

/** Upstream's maximum. The oldest entries are removed first. */
const maxRecords = 32 * 1024;
/** Upstream's `sharedLookupTimeout`. */
const lookupMs = 30_000;

interface Found {
  answer: Authenticated | undefined;
  warnings: readonly string[];
}

/** Caches the results of `inner`. */
export class TokenCache implements TokenAuthenticator {
  readonly #inner: TokenAuthenticator;
  readonly #options: TokenCacheOptions;
  readonly #clock: Clock;
  readonly #metrics: AuthenticationMetrics;
  readonly #secret = randomBytes(32);
  /** In the order of their creation. */
  readonly #records = new Map<string, Found & { untilMs: number }>();
  readonly #looking = new Map<string, Promise<Found>>();

  constructor(inner: TokenAuthenticator, options: TokenCacheOptions, clock: Clock, metrics: AuthenticationMetrics) {
    this.#inner = inner;
    this.#options = options;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  async authenticateToken(token: string, context: TokenContext): Promise<Authenticated | undefined> {
    const key = this.#keyOf(token, context.audiences);
    const remembered = this.#remembered(key);
    this.#metrics.tokenCache(remembered === undefined ? 'miss' : 'hit');
    const { answer, warnings } = remembered ?? (await this.#look(key, token, context.audiences));
    for (const warning of warnings) context.warn(warning);
    return answer;
  }

  #keyOf(token: string, audiences: readonly string[]): string {
    const hash = createHmac('sha256', this.#secret);
    for (const part of [token, String(audiences.length), ...audiences]) hash.update(`${part.length} ${part}`);
    return hash.digest('base64');
  }

  #remembered(key: string): Found | undefined {
    const record = this.#records.get(key);
    if (record === undefined) return undefined;
    if (record.untilMs > this.#clock.monotonic()) return record;
    this.#records.delete(key);
    return undefined;
  }

  #look(key: string, token: string, audiences: readonly string[]): Promise<Found> {
    const under = this.#looking.get(key);
    if (under !== undefined) return under;
    const looking = this.#ask(key, token, audiences).finally(() => this.#looking.delete(key));
    this.#looking.set(key, looking);
    return looking;
  }

  async #ask(key: string, token: string, audiences: readonly string[]): Promise<Found> {
    const warnings: string[] = [];
    const asked = this.#inner.authenticateToken(token, { audiences, warn: (message) => warnings.push(message) });
    const answering = asked instanceof Promise ? asked : Promise.resolve(asked);
    if (!(await within(this.#clock, lookupMs, answering))) throw new AuthenticationError('context deadline exceeded');
    const found = { answer: await answering, warnings };
    const keepMs = found.answer === undefined ? this.#options.failureMs : this.#options.successMs;
    if (keepMs > 0) this.#remember(key, { ...found, untilMs: this.#clock.monotonic() + keepMs });
    return found;
  }

  #remember(key: string, record: Found & { untilMs: number }): void {
    this.#records.delete(key);
    this.#records.set(key, record);
    // Removes the oldest entries. Some are expired; the others are looked up again when needed.
    for (const [oldest, { untilMs }] of this.#records) {
      if (this.#records.size <= maxRecords && untilMs > this.#clock.monotonic()) break;
      this.#records.delete(oldest);
    }
  }
}
