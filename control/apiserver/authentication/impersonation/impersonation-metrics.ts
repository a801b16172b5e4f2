/** Metrics of impersonation, with upstream's names. Source: apiserver `pkg/endpoints/filters/impersonation/metrics`. */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { Authorizer, Decision } from '../../authorization/authorization.ts';

/** 1 ms, doubled fourteen times. */
const buckets = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power);
type Outcome = 'allowed' | 'denied';

/** Counts impersonated requests and how long their authorization takes (seconds). */
export class ImpersonationMetrics {
  readonly #attempts: Counter;
  readonly #attemptSeconds: Histogram;
  readonly #checks: Counter;
  readonly #checkSeconds: Histogram;

  constructor(registry: Registry) {
    const shared = { labelNames: ['mode', 'decision'], registers: [registry] };
    this.#attempts = new Counter({
      ...shared,
      name: 'apiserver_impersonation_attempts_total',
      help: 'Total number of impersonation attempts split by mode and decision.',
    });
    this.#attemptSeconds = new Histogram({
      ...shared,
      name: 'apiserver_impersonation_attempts_duration_seconds',
      help: 'Latency of impersonation attempts in seconds split by mode and decision.',
      buckets,
    });
    this.#checks = new Counter({
      ...shared,
      name: 'apiserver_impersonation_authorization_attempts_total',
      help: 'Total number of authorization checks made by the impersonation handler split by mode and decision.',
    });
    this.#checkSeconds = new Histogram({
      ...shared,
      name: 'apiserver_impersonation_authorization_attempts_duration_seconds',
      help: 'Latency of authorization checks made by the impersonation handler in seconds split by mode and decision.',
      buckets,
    });
  }

  /** @param mode '' if no mode has allowed it */
  attempt(mode: string, decision: Outcome, seconds: number): void {
    this.#attempts.inc({ mode, decision });
    this.#attemptSeconds.observe({ mode, decision }, seconds);
  }

  /** The given authorizer, with its decisions counted. */
  counted(authorizer: Authorizer): Authorizer {
    const count = (verb: string, { allowed }: Decision, startMs: number): void => {
      const labels = { mode: modeOf(verb), decision: allowed ? 'allowed' : 'denied' };
      this.#checks.inc(labels);
      this.#checkSeconds.observe(labels, (performance.now() - startMs) / 1000);
    };
    return {
      rules: (user, namespace) => authorizer.rules(user, namespace),
      async authorize(attributes) {
        const startMs = performance.now();
        const decision = await authorizer.authorize(attributes);
        count(attributes.verb, decision, startMs);
        return decision;
      },
    };
  }
}

const modes = ['associated-node', 'arbitrary-node', 'serviceaccount', 'user-info'];

function modeOf(verb: string): string {
  if (verb === 'impersonate') return 'legacy';
  const found = modes.find((mode) => verb === `impersonate:${mode}` || verb.startsWith(`impersonate-on:${mode}:`));
  return found ?? 'unknown';
}
