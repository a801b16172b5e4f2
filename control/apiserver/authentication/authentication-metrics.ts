/**
 * Metrics of authentication, with upstream's names.
 *
 * Source: apiserver `pkg/endpoints/filters/metrics.go`, `pkg/authentication/{token/cache/stats,request/x509/x509}.go`.
 */
import type { Registry } from 'prom-client';
import { type CounterSeries, type HistogramSeries, LeanCounter, LeanHistogram } from '../serving/lean-metrics.ts';

/** 1 ms, doubled fourteen times. */
const durationBuckets = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power);
const hour = 3600;
const day = 24 * hour;
const lifetimeBuckets = [
  0,
  hour / 2,
  hour,
  2 * hour,
  6 * hour,
  12 * hour,
  ...[1, 2, 4, 7, 30, 90, 180, 360].map((days) => days * day),
];

/** The label `result` of the attempts. */
export type AuthenticationResult = 'success' | 'failure' | 'error';

/**
 * Counts authentication attempts and their duration in seconds, with upstream's names. Source: apiserver
 * `pkg/endpoints/filters/metrics.go`.
 */
export class AuthenticationMetrics {
  readonly #users: LeanCounter;
  readonly #attempts: LeanCounter;
  readonly #durations: LeanHistogram;
  readonly #lifetimes: HistogramSeries;
  readonly #cache: LeanCounter;
  /** Counters by result and by user. They are looked up once, because every request increments them. */
  readonly #results = new Map<AuthenticationResult, { attempts: CounterSeries; durations: HistogramSeries }>();
  readonly #bySender = new Map<string, CounterSeries>();

  constructor(registry: Registry) {
    const registers = [registry];
    this.#users = new LeanCounter({
      name: 'authenticated_user_requests',
      help: 'Counter of authenticated requests broken out by username.',
      labelNames: ['username'],
      registers,
    });
    this.#attempts = new LeanCounter({
      name: 'authentication_attempts',
      help: 'Counter of authenticated attempts.',
      labelNames: ['result'],
      registers,
    });
    this.#durations = new LeanHistogram({
      name: 'authentication_duration_seconds',
      help: 'Authentication duration in seconds broken out by result.',
      labelNames: ['result'],
      buckets: durationBuckets,
      registers,
    });
    this.#lifetimes = new LeanHistogram({
      name: 'apiserver_client_certificate_expiration_seconds',
      help: 'Distribution of the remaining lifetime on the certificate used to authenticate a request.',
      buckets: lifetimeBuckets,
      registers,
    }).series();
    this.#cache = new LeanCounter({
      name: 'authentication_token_cache_request_total',
      help: 'Tokens that were looked for among those that are remembered.',
      labelNames: ['status'],
      registers,
    });
  }

  /** Records the authentication of one request. @param user the name of its user, if authentication succeeded */
  attempt(result: AuthenticationResult, seconds: number, user?: string): void {
    if (user !== undefined) this.#sender(compressed(user)).inc();
    const { attempts, durations } = this.#result(result);
    attempts.inc();
    durations.observe(seconds);
  }

  #sender(username: string): CounterSeries {
    let series = this.#bySender.get(username);
    if (series === undefined) this.#bySender.set(username, (series = this.#users.series(username)));
    return series;
  }

  #result(result: AuthenticationResult): { attempts: CounterSeries; durations: HistogramSeries } {
    let series = this.#results.get(result);
    if (series === undefined) {
      series = { attempts: this.#attempts.series(result), durations: this.#durations.series(result) };
      this.#results.set(result, series);
    }
    return series;
  }

  certificateLifetime(secondsLeft: number): void {
    this.#lifetimes.observe(secondsLeft);
  }

  tokenCache(status: 'hit' | 'miss'): void {
    this.#cache.series(status).inc();
  }
}

const named: ReadonlySet<string> = new Set([
  'admin',
  'client',
  'kube_proxy',
  'kubelet',
  'system:serviceaccount:kube-system:default',
]);

/** Maps a user name to one of a few label values, so that no person's name appears in the metrics, as upstream. */
function compressed(user: string): string {
  if (named.has(user)) return user;
  return user.includes('@') ? 'email_id' : 'other';
}
