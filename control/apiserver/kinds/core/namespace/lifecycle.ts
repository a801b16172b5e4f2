/**
 * How a namespace itself is deleted. (The admission plugin NamespaceLifecycle decides what may be created in it meanwhile.)
 *
 * Source: upstream `pkg/registry/core/namespace/storage`.
 */
import { rfc3339 } from '#api/meta.ts';
import type { Namespace } from '#api/types.generated.ts';
import { copyOf } from '../../../cache/cached-object.ts';
import type { Strategy } from '../../../registry/strategy.ts';

/** The part of the namespaces' strategy that deletes them. */
export const namespaceDeletion: Pick<Strategy<Namespace>, 'planDeletion' | 'mayRemove'> = {
  /** Deleting a namespace first sets its phase to Terminating. It is removed when the namespace controller has emptied it. */
  planDeletion(namespace, options, nowMs) {
    if (namespace.metadata.deletionTimestamp !== undefined) {
      return (namespace.spec?.finalizers ?? []).length > 0 ? { kind: 'pending' } : undefined;
    }
    const object = copyOf(namespace);
    object.metadata.deletionTimestamp = rfc3339(nowMs);
    object.status = { ...object.status, phase: 'Terminating' };
    const finalizers = new Set(object.metadata.finalizers ?? []);
    setMember(finalizers, 'orphan', options.orphanDependents ?? options.propagationPolicy === 'Orphan');
    setMember(finalizers, 'foregroundDeletion', options.propagationPolicy === 'Foreground');
    if (finalizers.size > 0) object.metadata.finalizers = [...finalizers];
    else delete object.metadata.finalizers;
    return { kind: 'mark', object, thenRemove: false };
  },

  /** Whether an update that leaves no `metadata.finalizers` may remove the object. */
  mayRemove: (namespace) => (namespace.spec?.finalizers ?? []).length === 0,
};

function setMember(set: Set<string>, member: string, wanted: boolean): void {
  if (wanted) set.add(member);
  else set.delete(member);
}
