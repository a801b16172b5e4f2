/** Events about objects, as `kubectl describe` shows them: repeated ones are counted, not repeated. */

import type { Logger } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import { rfc3339 } from '#api/meta.ts';
import { ApiError, isNamespaceTerminating, isNotFound } from '#api/status.ts';
import type { ObjectReference } from '#api/types.generated.ts';
import type { Client } from './client.ts';
import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';
import type { EventDraft, StoredEvent } from './event-correlator.ts';
import { createEventCorrelator } from './event-correlator.ts';

/** Records events. Source: client-go `tools/record`. */
export interface EventRecorder {
  /**
   * Records an event about an object. Never throws; the event is sent later, so the caller does not wait. The same event again (object, type,
   * reason, message) raises `count` and `lastTimestamp` of the stored one.
   */
  event(object: KubeObject | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** The dependencies of a recorder, and the component that it records for. */
export interface EventRecorderDeps {
  client: Client;
  clock: Clock;
  log: Logger;
  /** `kubelet`, `deployment-controller`. */
  component: string;
  /** The node, for components of a node. */
  host?: string | undefined;
  /** In [0, 1). Default Math.random. */
  random?: () => number;
  /** How many events are sent at a time; those about one object stay in order. Default 1. */
  atOnce?: number;
}

/** A recorder whose owner can send what is left at the end. */
export interface FlushingEventRecorder extends EventRecorder {
  /** Sends what is recorded so far, without waiting for a server that does not answer; for shutdown. Never rejects. */
  flush(): Promise<void>;
  /** Resolves when there is room for many more events, or `signal` aborts. A caller that waits for it before recording loses no event. */
  room(signal: AbortSignal): Promise<void>;
}

/** How many recorded events wait to be sent; more are dropped, so that an unreachable server costs no memory. */
const maxQueued = 1000;
const maxAttempts = 12;
const retryMs = 10_000;

/** Stores events as core/v1 Events, those about one object in order. */
export function createEventRecorder(deps: EventRecorderDeps): FlushingEventRecorder {
  const { client, clock, log, component, host, random = Math.random, atOnce = 1 } = deps;
  const correlator = createEventCorrelator();
  const queue: EventDraft[] = [];
  const flushing = new AbortController();
  /** The events that are being sent, by their objects. */
  const underWay = new Map<string, Promise<void>>();
  /** Those who wait for room. */
  const waiting: (() => void)[] = [];
  let sending = false;
  let sent: Promise<void> = Promise.resolve();
  // Starts at a random number: two components may name an event about the same object within the same millisecond.
  let serial = Math.floor(random() * 1_000_000);

  const send = async (): Promise<void> => {
    // A flag tells whether it runs. The promise `sent` cannot: when all events are dropped, it has ended before the caller stores its promise.
    sending = true;
    for (let draft = queue.shift(); draft !== undefined; draft = queue.shift()) {
      if (queue.length < maxQueued / 2) for (const go of waiting.splice(0)) go();
      const result = correlator.correlate(draft, clock.now());
      if (result.kind === 'drop') continue;
      const { kind, namespace, name, uid } = draft.involvedObject;
      const key = JSON.stringify([kind, namespace, name, uid]);
      const one = storeAfter(underWay.get(key), draft, result.kind, result.event);
      underWay.set(key, one);
      void one.then(() => underWay.get(key) === one && underWay.delete(key));
      if (underWay.size >= atOnce) await Promise.race(underWay.values());
      // Events that are recorded meanwhile are sent before the end.
      if (queue.length === 0) await Promise.all(underWay.values());
    }
    sending = false;
  };

  const storeAfter = async (before: Promise<void> | undefined, ...[draft, how, event]: StoreArgs): Promise<void> => {
    await before;
    await store(client, draft, how, event, { clock, log, stop: flushing.signal });
  };

  return {
    event(object, type, reason, message) {
      if (queue.length >= maxQueued) {
        log.warn({ reason, message }, 'too many events wait to be sent; this one is dropped');
        return;
      }
      const involvedObject = referenceTo(object);
      serial = (serial + 1) % 1_000_000;
      queue.push({
        involvedObject,
        type,
        reason,
        // The API limits messages to 1 KiB.
        message: message.slice(0, 1024),
        source: { component, ...(host === undefined ? {} : { host }) },
        // Nanoseconds in hexadecimal, as upstream names events; the serial stands in for what the clock does not resolve.
        name: `${involvedObject.name ?? ''}.${(BigInt(Math.floor(clock.now())) * 1_000_000n + BigInt(serial)).toString(16)}`,
        namespace:
          involvedObject.namespace === undefined || involvedObject.namespace === '' ? 'default' : involvedObject.namespace,
        timestamp: rfc3339(clock.now()),
      });
      if (!sending) sent = send();
    },
    room(signal) {
      if (queue.length < maxQueued / 2 || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const go = (): void => {
          signal.removeEventListener('abort', go);
          resolve();
        };
        signal.addEventListener('abort', go, { once: true });
        waiting.push(go);
      });
    },
    async flush() {
      flushing.abort();
      await sent;
    },
  };
}

/** The reference to an object, for an event's `involvedObject`. */
export function referenceTo(object: KubeObject | ObjectReference): ObjectReference {
  if (!('metadata' in object)) return object;
  const { apiVersion, kind, metadata } = object;
  return {
    apiVersion,
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
  };
}

type StoreArgs = [draft: EventDraft, how: 'create' | 'count', event: StoredEvent];

async function store(
  client: Client,
  draft: EventDraft,
  how: 'create' | 'count',
  event: StoredEvent,
  { clock, log, stop }: { clock: Clock; log: Logger; stop: AbortSignal },
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await write(client, draft, how, event);
      return;
    } catch (error) {
      // An error that the server answers is final (a namespace that is being deleted, a name that is too long). Without an answer, try again.
      if (error instanceof ApiError || attempt === maxAttempts || stop.aborted) {
        const level = isNamespaceTerminating(error) ? 'debug' : 'warn';
        log[level]({ err: error, reason: draft.reason, object: draft.involvedObject }, 'an event could not be stored');
        return;
      }
      await sleep(clock, retryMs, stop);
    }
  }
}

async function write(client: Client, draft: EventDraft, how: 'create' | 'count', event: StoredEvent): Promise<void> {
  const events = client.resource('events');
  const { count, firstTimestamp, lastTimestamp, message } = event;
  if (how === 'count') {
    try {
      await events.patch(
        { namespace: event.namespace, name: event.name },
        { type: 'merge', body: { count, lastTimestamp, message } },
      );
      return;
    } catch (error) {
      if (!isNotFound(error)) throw error; // The stored event has expired: create it again, with its count.
    }
  }
  await events.create({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: event.name, namespace: event.namespace },
    involvedObject: draft.involvedObject,
    reason: draft.reason,
    message,
    source: draft.source,
    firstTimestamp,
    lastTimestamp,
    count,
    type: draft.type,
    reportingComponent: draft.source?.component ?? '',
    reportingInstance: draft.source?.host ?? '',
  });
}
