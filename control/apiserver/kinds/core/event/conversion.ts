/**
 * `events.k8s.io/v1` and core/v1 Events are two views of the same stored objects; core/v1 is what is stored.
 *
 * Source: kubernetes `pkg/apis/events/v1/conversion.go`.
 */
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import type { Conversion } from '../../../catalog.ts';

/** core/v1 field → events.k8s.io/v1 field, where they differ. */
const renamed: readonly (readonly [string, string])[] = [
  ['involvedObject', 'regarding'],
  ['source', 'deprecatedSource'],
  ['message', 'note'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];
const toEvents = new Map(renamed);
const toCore = new Map(renamed.map(([core, events]) => [events, core]));

function rename(object: KubeObject, apiVersion: string, names: ReadonlyMap<string, string>): KubeObject {
  const fields = Object.entries(object as unknown as JsonObject).map(([name, value]) => [names.get(name) ?? name, value]);
  return { ...Object.fromEntries(fields), apiVersion } as KubeObject;
}

/**
 * Between core/v1, the stored form, and events.k8s.io/v1, which has other names for the same fields. Source: upstream
 * `pkg/apis/events/v1/conversion.go`.
 */
export const eventsConversion: Conversion = {
  fromStored: (stored) => rename(stored, 'events.k8s.io/v1', toEvents),
  toStored: (served) => rename(served, 'v1', toCore),
};
