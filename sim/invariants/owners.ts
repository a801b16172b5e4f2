/** Dependents of a deleted owner are removed, and dependents of an existing owner are not. */
import { controllerOf, keyOf } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Change } from '../model.ts';
import type { InvariantOf } from './invariant.ts';

const collector = 'system:serviceaccount:kube-system:generic-garbage-collector';
const podCollector = 'system:serviceaccount:kube-system:pod-garbage-collector';
const folders = ['pods', 'replicasets', 'jobs', 'configmaps', 'controllerrevisions', 'endpointslices'];

/** Whether the only deletion request of the object at this moment is this user's. */
const deletedBy = ({ by, object, kind, previous }: Change, user: string): boolean =>
  (kind === 'deleted' ||
    (object.metadata.deletionTimestamp !== undefined && previous?.metadata.deletionTimestamp === undefined)) &&
  by.some((one) => one.user === user && isDeleteOf(one.request, object.metadata.name)) &&
  by.every((one) => one.user === user || !isDeleteOf(one.request, object.metadata.name));

const isDeleteOf = ({ method, path }: { method: string; path: string }, name: string): boolean =>
  method === 'DELETE' && (path.split('?')[0] as string).endsWith(`/${name}`);

/** The garbage collector deletes only objects without an existing owner. */
export const onlyGarbage: InvariantOf = ({ model, violated }) => ({
  name: 'nothing of a living owner is collected',
  changed(change) {
    if (!deletedBy(change, collector)) return;
    const { object, previous } = change;
    if (previous?.metadata.deletionTimestamp !== undefined) return;
    const living = (object.metadata.ownerReferences ?? []).find(({ uid }) => {
      const owner = model.byUid(uid);
      return owner !== undefined && owner.metadata.deletionTimestamp === undefined;
    });
    if (living !== undefined)
      violated(
        'nothing of a living owner is collected',
        `${object.kind} ${keyOf(object)}: its ${living.kind} ${living.name} lives`,
      );
  },
});

/** The pod garbage collector deletes pods of nodes that are gone, and no pod of an existing node. */
export const podsOfLivingNodes: InvariantOf = ({ model, violated }) => ({
  name: 'no pod of a living node is collected',
  changed(change) {
    if (change.object.kind !== 'Pod' || !deletedBy(change, podCollector)) return;
    const { spec, status } = change.object as Pod;
    if (
      ['Succeeded', 'Failed'].includes(status?.phase ?? '') &&
      (change.previous as Pod | undefined)?.status?.phase !== 'Running'
    )
      return;
    if ((spec.nodeName ?? '') !== '' && model.get('minions', spec.nodeName ?? '') !== undefined)
      violated('no pod of a living node is collected', `${keyOf(change.object)} on ${spec.nodeName}`);
  },
});

/** After a deletion with propagationPolicy Orphan, the dependents are never collected because of that owner. */
export const orphansLive: InvariantOf = ({ model, wasBehind, violated }) => {
  const name = 'orphans live';
  /** The owner that was deleted with Orphan, by the UID of the dependent. */
  const released = new Map<string, string>();
  return {
    name,
    changed(change) {
      const { object, previous } = change;
      const { uid, deletionTimestamp, finalizers = [] } = object.metadata;
      // Upstream's collector also releases only the dependents in its cache.
      if (
        !wasBehind('pods') &&
        deletionTimestamp !== undefined &&
        previous?.metadata.deletionTimestamp === undefined &&
        finalizers.includes('orphan')
      )
        for (const folder of folders)
          for (const one of model.all(folder))
            if (one.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true) released.set(one.metadata.uid, uid);
      const owner = released.get(uid);
      if (owner === undefined || !deletedBy(change, collector)) return;
      if (object.metadata.ownerReferences?.some((one) => one.uid === owner) === true)
        violated(name, `${object.kind} ${keyOf(object)} was to outlive its owner, and was collected`);
    },
  };
};

/** In the end, no object has a deleted owner, and no object is still being deleted. */
export const noneLeft: InvariantOf = ({ model }) => ({
  name: 'none of a deleted owner left',
  *unmet() {
    for (const folder of folders)
      for (const object of model.all(folder)) {
        const owners = object.metadata.ownerReferences ?? [];
        // Skip owners of kind Node (mirror pods), which the model does not follow.
        const gone = owners.find(({ uid, kind }) => kind !== 'Node' && model.byUid(uid) === undefined);
        if (gone !== undefined && owners.every(({ uid }) => model.byUid(uid) === undefined))
          yield `${object.kind} ${keyOf(object)} is left of ${gone.kind} ${gone.name}`;
        if (object.metadata.deletionTimestamp !== undefined) yield `${object.kind} ${keyOf(object)} is still being deleted`;
      }
    for (const folder of ['namespaces', 'deployments', 'statefulsets', 'daemonsets', 'jobs'])
      for (const object of model.all(folder))
        if (object.metadata.deletionTimestamp !== undefined) yield `${object.kind} ${keyOf(object)} is still being deleted`;
    for (const pod of model.pods())
      if (
        controllerOf(pod) !== undefined &&
        (pod.spec.nodeName ?? '') !== '' &&
        model.get('minions', pod.spec.nodeName ?? '') === undefined
      )
        yield `${keyOf(pod)} is on ${pod.spec.nodeName}, which is gone`;
  },
});
