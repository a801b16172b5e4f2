/** Plans changes of the finalizer that protects an object in use. Source: kubernetes `pkg/controller/util/protection`. */
import type { ObjectMeta } from '#api/types.generated.ts';

/**
 * `add`: the finalizer is missing, because the object is older than the admission plugin. `remove`: remove it if nothing uses the object.
 * `finalizers` is the new list.
 */
export type FinalizerPlan = { kind: 'none' } | { kind: 'add' | 'remove'; finalizers: string[] };

/** Plans the change of the finalizer. Pure. */
export function planFinalizer({ finalizers = [], deletionTimestamp }: ObjectMeta, finalizer: string): FinalizerPlan {
  const isThere = finalizers.includes(finalizer);
  if (deletionTimestamp === undefined)
    return isThere ? { kind: 'none' } : { kind: 'add', finalizers: [...finalizers, finalizer] };
  return isThere ? { kind: 'remove', finalizers: finalizers.filter((one) => one !== finalizer) } : { kind: 'none' };
}
