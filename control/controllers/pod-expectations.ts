/**
 * Remembers which pods a controller has just created or deleted, until its cache shows it: a plan made on an older state
 * would do the same again.
 *
 * Upstream counts watch events (ControllerExpectations). Here the pods themselves are remembered and looked up, so that
 * no event can be missed or counted twice.
 */
import { keyOf } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Cache } from '#client/informer.ts';

interface Expected {
  namespace: string | undefined;
  name: string;
  uid: string;
  what: 'created' | 'deleted';
  sinceMs: number;
}

/** A pod that the cache does not show after this time is asked for: it may have come and gone unseen. */
export const recheckAfterMs = 1000;

export interface PodExpectations {
  created(setKey: string, pod: Pod, nowMs: number): void;
  deleted(setKey: string, pod: Pod, nowMs: number): void;
  /** Whether the cache shows all that was done for this set. */
  met(setKey: string, nowMs: number): Promise<boolean>;
  /** The set is gone. */
  forget(setKey: string): void;
}

export function createPodExpectations(client: Client, cache: () => Cache<Pod>): PodExpectations {
  const sets = new Map<string, Expected[]>();
  const add = (setKey: string, { metadata }: Pod, what: Expected['what'], sinceMs: number): void => {
    const { namespace, name, uid } = metadata;
    sets.set(setKey, [...(sets.get(setKey) ?? []), { namespace, name, uid, what, sinceMs }]);
  };

  const isShown = ({ namespace, name, uid, what }: Expected): boolean => {
    const pod = cache().get(keyOf({ metadata: { namespace, name } }));
    const isThis = pod?.metadata.uid === uid;
    return what === 'created' ? isThis : !isThis || pod.metadata.deletionTimestamp !== undefined;
  };

  const isGone = async ({ namespace, name, uid }: Expected): Promise<boolean> => {
    try {
      return (await client.resource('pods').get({ namespace, name })).metadata.uid !== uid;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  };

  return {
    created: (setKey, pod, nowMs) => add(setKey, pod, 'created', nowMs),
    deleted: (setKey, pod, nowMs) => add(setKey, pod, 'deleted', nowMs),
    async met(setKey, nowMs) {
      const open: Expected[] = [];
      for (const expected of sets.get(setKey) ?? []) {
        if (isShown(expected)) continue;
        const overdue = expected.what === 'created' && nowMs - expected.sinceMs >= recheckAfterMs;
        if (!overdue || !(await isGone(expected))) open.push(expected);
      }
      if (open.length === 0) sets.delete(setKey);
      else sets.set(setKey, open);
      return open.length === 0;
    },
    forget: (setKey) => void sets.delete(setKey),
  };
}
