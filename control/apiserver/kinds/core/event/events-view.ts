/**
 * `events.k8s.io/v1` and core/v1 Events are two views of the same stored objects; core/v1 is what is stored.
 *
 * Source: kubernetes `pkg/apis/events/v1/conversion.go`.
 */
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { CachedObject } from '../../../cache/cached-object.ts';

const viewId = 'events.events.k8s.io';

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
const toView = new Map(renamed);
const toCore = new Map(renamed.map(([core, view]) => [view, core]));

function rename(object: KubeObject, apiVersion: string, names: ReadonlyMap<string, string>): KubeObject {
  const fields = Object.entries(object as unknown as JsonObject).map(([name, value]) => [names.get(name) ?? name, value]);
  return { ...Object.fromEntries(fields), apiVersion } as KubeObject;
}

/** The object as `resource` shows it; converted once per version. */
export function fromStoredView(resource: Resource, stored: CachedObject): CachedObject {
  if (resource.id !== viewId) return stored;
  return stored.derived('view', () => stored.with(stored.revision, rename(stored.object, 'events.k8s.io/v1', toView)));
}

/** The object as it is stored. */
export function toStoredView(resource: Resource, object: KubeObject): KubeObject {
  return resource.id === viewId ? rename(object, 'v1', toCore) : object;
}
