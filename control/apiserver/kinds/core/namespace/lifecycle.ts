/**
 * What a namespace's life means for what is in it, and how a namespace itself is deleted.
 *
 * Source: apiserver `pkg/admission/plugin/namespace/lifecycle`; `pkg/registry/core/namespace/storage`.
 */
import { type KubeObject, rfc3339 } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import { ApiError, forbidden, notFound } from '#api/status.ts';
import type { Namespace } from '#api/types.generated.ts';
import type { CacheFeed } from '../../../cache/cache-feed.ts';
import { copyOf } from '../../../cache/cached-object.ts';
import { storageKey } from '../../../registry/object-keys.ts';
import type { Strategy } from '../../../registry/strategy.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);

/** @throws ApiError 403 for the namespaces that a cluster cannot be without */
function checkDelete(name: string): void {
  if (immortal.has(name)) throw forbidden({ group: '', name: 'namespaces' }, name, 'this namespace may not be deleted');
}

/**
 * Nothing is created in a namespace that does not exist or is being deleted. The cache must be fresh.
 * @param namespaces the row of namespaces
 * @throws ApiError 404, 403
 */
export function checkNamespace(feed: CacheFeed, namespaces: Resource, resource: Resource, object: KubeObject): void {
  if (!resource.namespaced) return;
  const name = object.metadata.namespace ?? '';
  const namespace = feed.cache(namespaces.storagePrefix).get(storageKey(namespaces, { name }))?.object as Namespace | undefined;
  if (namespace === undefined) throw notFound({ group: '', name: 'namespaces' }, name);
  if (namespace.status?.phase !== 'Terminating') return;
  const error = forbidden(
    { group: resource.group, name: resource.plural },
    object.metadata.name ?? '',
    `unable to create new content in namespace ${name} because it is being terminated`,
  );
  const cause = { reason: 'NamespaceTerminating', message: `namespace ${name} is being terminated`, field: 'metadata.namespace' };
  throw new ApiError({ ...error.status, details: { ...error.status.details, causes: [cause] } });
}

/** The part of the namespaces' strategy that deletes them. */
export const namespaceDeletion: Pick<Strategy<Namespace>, 'checkDelete' | 'planDeletion' | 'mayRemove'> = {
  checkDelete,

  /** Deleting a namespace first turns it to Terminating; it goes when the namespace controller has emptied it. */
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
