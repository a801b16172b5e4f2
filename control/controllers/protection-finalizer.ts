/** What becomes of the finalizer that protects an object in use. Source: kubernetes `pkg/controller/util/protection`. */
import type { ObjectMeta } from '#api/types.generated.ts';

/** `add`: the object is older than the admission plugin. `remove`: if nothing uses the object. With the list as it shall be. */
export type FinalizerPlan = { kind: 'none' } | { kind: 'add' | 'remove'; finalizers: string[] };

/** Pure. */
export function planFinalizer({ finalizers = [], deletionTimestamp }: ObjectMeta, finalizer: string): FinalizerPlan {
  const isThere = finalizers.includes(finalizer);
  if (deletionTimestamp === undefined)
    return isThere ? { kind: 'none' } : { kind: 'add', finalizers: [...finalizers, finalizer] };
  return isThere ? { kind: 'remove', finalizers: finalizers.filter((one) => one !== finalizer) } : { kind: 'none' };
}
