/**
 * Decides whether an event is created, counted into an existing one, merged with similar ones, or dropped as spam.
 *
 * Source: client-go `tools/record/events_cache.go`: 10 different messages in 10 minutes are aggregated; 25 events per source
 * and object in a burst, then one per 5 minutes; the last 4096 are remembered.
 */
import type { Event } from '#api/types.generated.ts';

/** An event that has just been recorded. `name` is its name if it is created. */
export type EventDraft = Pick<Event, 'involvedObject' | 'type' | 'reason' | 'message' | 'source'> & {
  name: string;
  namespace: string;
  /** RFC 3339. */
  timestamp: string;
};

/** An event as the server has it. */
export interface StoredEvent {
  name: string;
  namespace: string;
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  message: string;
}

/** What to do with an event: create a new one, update the count of a stored one, or drop it. */
export type Correlation = { kind: 'create'; event: StoredEvent } | { kind: 'count'; event: StoredEvent } | { kind: 'drop' };

/** Remembers the events that were recorded lately. */
export interface EventCorrelator {
  /** Decides about one event, and remembers it. */
  correlate(draft: EventDraft, nowMs: number): Correlation;
}

const remembered = 4096;
const aggregateAfter = 10;
const aggregateIntervalMs = 600_000;
const burst = 25;
const refillMs = 300_000;

/** A correlator without memory yet. */
export function createEventCorrelator(): EventCorrelator {
  const buckets = lru<{ tokens: number; atMs: number }>();
  const groups = lru<{ messages: Set<string>; atMs: number }>();
  const stored = lru<StoredEvent>();

  const aggregate = (draft: EventDraft, nowMs: number): { key: string; message: string } => {
    const groupKey = JSON.stringify([...objectKey(draft), draft.type, draft.reason]);
    const message = draft.message ?? '';
    let group = groups.get(groupKey);
    if (group === undefined || nowMs - group.atMs > aggregateIntervalMs) group = { messages: new Set(), atMs: nowMs };
    group.atMs = nowMs;
    group.messages.add(message);
    groups.set(groupKey, group);
    if (group.messages.size < aggregateAfter)
      return { key: JSON.stringify([groupKey, draft.involvedObject.fieldPath, message]), message };
    // A full set stays full: further messages are merged as well, and the set does not grow.
    group.messages.delete(group.messages.values().next().value ?? '');
    return { key: groupKey, message: `(combined from similar events): ${message}` };
  };

  const takeToken = (draft: EventDraft, nowMs: number): boolean => {
    const key = JSON.stringify(objectKey(draft));
    const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) / refillMs);
    const allowed = tokens >= 1;
    buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
    return allowed;
  };

  return {
    correlate(draft, nowMs) {
      const { key, message } = aggregate(draft, nowMs);
      const known = stored.get(key);
      const event: StoredEvent =
        known === undefined
          ? {
              name: draft.name,
              namespace: draft.namespace,
              count: 1,
              firstTimestamp: draft.timestamp,
              lastTimestamp: draft.timestamp,
              message,
            }
          : { ...known, count: known.count + 1, lastTimestamp: draft.timestamp, message };
      // A dropped event is counted all the same, as upstream does: the next one that is sent has the true number.
      stored.set(key, event);
      if (!takeToken(draft, nowMs)) return { kind: 'drop' };
      return { kind: known === undefined ? 'create' : 'count', event };
    },
  };
}

function objectKey({ source, involvedObject }: EventDraft): (string | undefined)[] {
  const { kind, namespace, name, uid, apiVersion } = involvedObject;
  return [source?.component, source?.host, kind, namespace, name, uid, apiVersion];
}

/** A Map of limited size: the entry that was used least recently is dropped. */
function lru<T>(): { get(key: string): T | undefined; set(key: string, value: T): void } {
  const entries = new Map<string, T>();
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > remembered) entries.delete(entries.keys().next().value ?? '');
    },
  };
}
