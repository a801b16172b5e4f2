/**
 * EventRateLimit: limits the rate of events of the server, each namespace, each user, or each source and object. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/eventratelimit`.
 */
import { failure } from '#api/status.ts';
import type { Event } from '#api/types.generated.ts';
import type { EventLimit } from '../config/event-rate-limit.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../plugin.ts';

/** The plugin. @throws (when asked) ApiError 429 at a limit */
export const eventRateLimit = (limits: readonly EventLimit[] = []): AdmissionPlugin => {
  const enforcers = limits.map((limit) => new Enforcer(limit));
  return {
    name: 'EventRateLimit',
    handles: (operation) => operation === 'create' || operation === 'update',

    validate(attributes, { clock }) {
      if (attributes.kind !== 'Event' || attributes.dryRun) return;
      // Each limit counts the event, even if another limit refuses it.
      const problems = enforcers.flatMap((enforcer) => enforcer.refusal(attributes, clock.now()));
      if (problems.length === 0) return;
      throw failure(429, 'TooManyRequests', problems.length === 1 ? problems.join() : `[${problems.join(', ')}]`);
    },
  };
};

interface Bucket {
  tokens: number;
  atMs: number;
}

/** A token bucket for each key, in an LRU cache. */
class Enforcer {
  readonly #limit: EventLimit;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: EventLimit) {
    this.#limit = limit;
  }

  refusal(attributes: AdmissionAttributes, nowMs: number): string[] {
    const { type, qps, burst, cacheSize } = this.#limit;
    const key = keyOf(type, attributes);
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const [oldest = ''] = this.#buckets.size > cacheSize ? this.#buckets.keys() : [];
    if (oldest !== key) this.#buckets.delete(oldest);
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) / 1000) * qps);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return [`limit reached on type ${type} for key ${key}`];
    bucket.tokens -= 1;
    return [];
  }
}

function keyOf(type: EventLimit['type'], { namespace, user, object }: AdmissionAttributes): string {
  switch (type) {
    case 'Server':
      return '';
    case 'Namespace':
      return namespace;
    case 'User':
      return user.name;
    case 'SourceAndObject': {
      const { source = {}, involvedObject = {} } = object as Partial<Event>;
      const { kind, namespace: of, name, uid, apiVersion } = involvedObject;
      return [source.component, source.host, kind, of, name, uid, apiVersion].map((part) => part ?? '').join('');
    }
  }
}
