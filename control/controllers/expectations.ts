/**
 * Remembers which objects a controller has just created or deleted, until its cache shows it: a plan made on an older state
 * would do the same again.
 *
 * Upstream counts watch events (ControllerExpectations). Here the objects themselves are remembered and looked up, so that
 * no event can be missed or counted twice.
 */
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import { isNotFound } from '#api/status.ts';
import type { Client } from '#client/client.ts';
import type { Caches } from '#client/controller.ts';

interface Expected {
  namespace: string | undefined;
  name: string;
  uid: string;
  what: 'created' | 'deleted';
  sinceMs: number;
}

/** An object that the cache does not show after this time is asked for: it may have come and gone unseen. */
export const recheckAfterMs = 1000;

export interface Expectations {
  created(ownerKey: string, object: KubeObject, nowMs: number): void;
  deleted(ownerKey: string, object: KubeObject, nowMs: number): void;
  /** Whether the cache shows all that was done for this owner. */
  met(ownerKey: string, nowMs: number): Promise<boolean>;
  /** The owner is gone. */
  forget(ownerKey: string): void;
}

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

  const isGone = async ({ namespace, name, uid }: Expected): Promise<boolean> => {
    try {
      return (await client.resource(resource).get({ namespace, name })).metadata.uid !== uid;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
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
