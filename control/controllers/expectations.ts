/**
 * Remembers which objects a controller has just created or deleted, until its cache shows the change. A plan from the older state
 * would create or delete again.
 *
 * Upstream counts watch events (ControllerExpectations). This code remembers the objects themselves and looks them up, so an
 * event can be neither missed nor counted twice.
 */
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import type { Client } from '#client/client.ts';
import type { Caches } from '#client/controller.ts';

interface Expected {
  namespace: string | undefined;
  name: string;
  uid: string;
  what: 'created' | 'deleted';
  sinceMs: number;
}

/**
 * When the cache does not show an object after this time, the server is asked for it: the object may have been created and
 * deleted between two events.
 */
export const recheckAfterMs = 1000;

/** The expectations of one controller about objects of one resource. */
export interface Expectations {
  created(ownerKey: string, object: KubeObject, nowMs: number): void;
  deleted(ownerKey: string, object: KubeObject, nowMs: number): void;
  /** Whether the cache shows all changes that were made for this owner. */
  met(ownerKey: string, nowMs: number): Promise<boolean>;
  /** Drops the expectations of an owner that no longer exists. */
  forget(ownerKey: string): void;
}

/** Makes the expectations for objects of `resource`. */
export function createExpectations(client: Client, caches: Pick<Caches, 'cache'>, resource: ResourceId): Expectations {
  const owners = new Map<string, Expected[]>();
  const add = (ownerKey: string, { metadata }: KubeObject, what: Expected['what'], sinceMs: number): void => {
    const { namespace, name, uid } = metadata;
    owners.set(ownerKey, [...(owners.get(ownerKey) ?? []), { namespace, name, uid, what, sinceMs }]);
  };

  const isShown = ({ namespace, name, uid, what }: Expected): boolean => {
    const object: KubeObject | undefined = caches.cache(resource).get(keyOf({ metadata: { namespace, name } }));
    const isThis = object?.metadata.uid === uid;
    return what === 'created' ? isThis : !isThis || object.metadata.deletionTimestamp !== undefined;
  };

  /**
   * Uses a list request, which every controller may make for a watched resource. Not every controller may `get` (for example upstream's
   * role of the ReplicaSet controller for pods).
   */
  const isGone = async ({ namespace, name, uid }: Expected): Promise<boolean> => {
    const { items } = await client.resource(resource).list({ namespace, fieldSelector: `metadata.name=${name}` });
    return items.every(({ metadata }) => metadata.uid !== uid);
  };

  return {
    created: (ownerKey, object, nowMs) => add(ownerKey, object, 'created', nowMs),
    deleted: (ownerKey, object, nowMs) => add(ownerKey, object, 'deleted', nowMs),
    async met(ownerKey, nowMs) {
      const open: Expected[] = [];
      for (const expected of owners.get(ownerKey) ?? []) {
        if (isShown(expected)) continue;
        const overdue = expected.what === 'created' && nowMs - expected.sinceMs >= recheckAfterMs;
        if (!overdue || !(await isGone(expected))) open.push(expected);
      }
      if (open.length === 0) owners.delete(ownerKey);
      else owners.set(ownerKey, open);
      return open.length === 0;
    },
    forget: (ownerKey) => void owners.delete(ownerKey),
  };
}
