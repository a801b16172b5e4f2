/**
 * Objects that a part of the program cannot use. It leaves them out and serves all others. Each is reported once (event, log line), and
 * counted in a metric as long as it is left out.
 */

import type { Logger } from 'pino';
import { Gauge, type Metric } from 'prom-client';
import { errorText } from '#api/error-text.ts';
import type { KubeObject } from '#api/meta.ts';
import type { ObjectReference } from '#api/types.generated.ts';
import type { EventRecorder } from './event-recorder.ts';

/** One object that is not used, as a whole or in part, and why. */
export interface LeftOut {
  object: ObjectReference;
  /** Begins with the field, where there is one: `ports[0].port: -5 is no port number`. */
  reason: string;
}

/** Reports the objects that the parts of a program leave out. */
export interface LeftOutReporter {
  /** Takes all objects that `part` leaves out now, in place of those that it reported before. Logs those that are new. */
  report(part: string, objects: readonly LeftOut[]): void;
  /** How many objects each part leaves out, by kind. */
  counts(): { part: string; kind: string; count: number }[];
}

/** How many log lines one report writes at most: a hostile client can make thousands of bad objects. */
const maxLines = 20;

/** A reporter that logs, and records an event, for each object that was not left out before. */
export function createLeftOutReporter(deps: { events: EventRecorder; log: Pick<Logger, 'warn'> }): LeftOutReporter {
  const byPart = new Map<string, ReadonlyMap<string, LeftOut>>();

  const tell = (part: string, fresh: readonly LeftOut[]): void => {
    for (const { object, reason } of fresh.slice(0, maxLines)) {
      const name = [object.namespace, object.name].filter(Boolean).join('/');
      deps.log.warn({ part, kind: object.kind, name, reason }, 'an object from the API is left out');
      deps.events.event(object, 'Warning', 'InvalidObject', `${part} leaves this out: ${reason}`);
    }
    if (fresh.length > maxLines) deps.log.warn({ part, more: fresh.length - maxLines }, 'more objects from the API are left out');
  };

  return {
    report(part, objects) {
      const before = byPart.get(part);
      const now = new Map(objects.map((one) => [identity(one), one]));
      byPart.set(part, now);
      tell(
        part,
        [...now].filter(([id]) => before?.has(id) !== true).map(([, one]) => one),
      );
    },
    counts() {
      return [...byPart].flatMap(([part, objects]) => {
        // An object with two bad fields is one object.
        const kinds = new Map<string, Set<string>>();
        for (const { object } of objects.values()) {
          const kind = object.kind ?? '';
          kinds.set(kind, (kinds.get(kind) ?? new Set()).add(`${object.namespace}/${object.name}`));
        }
        return Array.from(kinds, ([kind, names]) => ({ part, kind, count: names.size }));
      });
    },
  };
}

const identity = ({ object, reason }: LeftOut): string =>
  JSON.stringify([object.kind, object.namespace, object.name, object.uid, reason]);

/** A report about `object`, which may lack any field. */
export function leftOut(kind: string, object: unknown, reason: string): LeftOut {
  const { apiVersion, metadata } = (object ?? {}) as Partial<KubeObject>;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const { namespace, name, uid, resourceVersion } = metadata ?? ({} as Partial<KubeObject['metadata']>);
  return {
    object: {
      apiVersion: text(apiVersion),
      kind,
      namespace: text(namespace),
      name: text(name),
      uid: text(uid),
      resourceVersion: text(resourceVersion),
    },
    reason,
  };
}

/** Why a read of an object failed, for {@link LeftOut.reason}: it has another shape than its type says. */
export function unreadable(error: unknown): string {
  return `cannot be read: ${errorText(error)}`;
}

/**
 * The results of `read` for all objects. Those for which it throws are left out and go to `onLeftOut`: one bad object must not hold up the
 * others.
 */
export function readEach<T, R>(
  kind: string,
  objects: readonly T[],
  onLeftOut: (one: LeftOut) => void,
  read: (object: T) => R[],
): R[] {
  const all: R[] = [];
  for (const object of objects) {
    try {
      for (const one of read(object)) all.push(one);
    } catch (error) {
      onLeftOut(leftOut(kind, object, unreadable(error)));
    }
  }
  return all;
}

/** The metric `tinkernetes_left_out_objects`, read from the reporters when it is asked for; the caller registers it. */
export function leftOutMetric(reporters: readonly LeftOutReporter[]): Metric {
  return new Gauge({
    name: 'tinkernetes_left_out_objects',
    help: 'Objects of the API that a part of this process leaves out because it cannot use them, by part and kind.',
    labelNames: ['part', 'kind'],
    registers: [],
    collect() {
      this.reset();
      for (const { part, kind, count } of reporters.flatMap((one) => one.counts())) this.set({ part, kind }, count);
    },
  });
}
