/** An owner never has more pods than desired plus surge. */
import { controllerOf, type KubeObject, keyOf } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import type { DaemonSet, Deployment, Job, Pod, ReplicaSet } from '#api/types.generated.ts';
import type { InvariantOf } from './invariant.ts';

const isActive = (pod: Pod): boolean => pod.metadata.deletionTimestamp === undefined && !isPodTerminal(pod);

/** `25%` of a number, or the number itself. Rounded up, as surges are. */
export function amount(value: number | string | undefined, of: number): number {
  if (value === undefined) return 0;
  return typeof value === 'number' ? value : Math.ceil((Number.parseInt(value, 10) * of) / 100);
}

/** Limit of pods of an owner. Undefined for kinds with another rule. */
function limitOf(owner: KubeObject): number | undefined {
  switch (owner.kind) {
    case 'ReplicaSet':
    case 'ReplicationController':
      return (owner as ReplicaSet).spec?.replicas ?? 1;
    case 'Job': {
      const { parallelism = 1, suspend } = (owner as Job).spec ?? {};
      return suspend === true ? 0 : parallelism;
    }
    default:
      return undefined;
  }
}

const isUnended = (pod: Pod): boolean => !isPodTerminal(pod);

/** Whether a Job replaces a pod only after it has failed completely (podReplacementPolicy), not while it terminates. */
const replacesOnlyEnded = (owner: KubeObject): boolean =>
  owner.kind === 'Job' && (owner as Job).spec?.podReplacementPolicy === 'Failed';

/** A controller creates a pod only if its owner needs one more. */
export const podsPerOwner: InvariantOf = ({ model, history, excuses, wasBehind, violated }) => {
  const limits = history<number>();
  /** Number of pods that an owner has adopted. Its controller may not have seen them when it created others. */
  const adopted = new Map<string, number>();
  return {
    name: 'never more pods than desired',
    changed({ kind, object, previous }) {
      const limit = limitOf(object);
      if (limit !== undefined && kind !== 'deleted') limits.note(object.metadata.uid, limit);
      const by = object.kind === 'Pod' ? controllerOf(object)?.uid : undefined;
      if (by === undefined) return;
      if (previous !== undefined && controllerOf(previous) === undefined) adopted.set(by, (adopted.get(by) ?? 0) + 1);
      if (kind !== 'created') return;
      const owner = model.byUid(by);
      if (owner === undefined || limitOf(owner) === undefined) return;
      const count = model.podsOf(owner).filter(replacesOnlyEnded(owner) ? isUnended : isActive).length;
      const most =
        Math.max(...limits.recent(owner.metadata.uid)) + excuses(by) + (wasBehind('pods') ? (adopted.get(by) ?? 0) : 0);
      if (count > most)
        violated('never more pods than desired', `${owner.kind} ${keyOf(owner)} has ${count} pods and wants at most ${most}`);
    },
  };
};

/** A rollout does not exceed its surge. This counts `spec.replicas` of the ReplicaSets, which the Deployment controller sets. */
export const surge: InvariantOf = ({ model, history, wasBehind, violated }) => {
  const limits = history<number>();
  return {
    name: 'never more than desired plus surge',
    changed({ kind, object }) {
      if (kind === 'deleted') return;
      if (object.kind === 'Deployment') {
        const { replicas = 1, strategy } = (object as Deployment).spec ?? {};
        limits.note(object.metadata.uid, replicas + amount(strategy?.rollingUpdate?.maxSurge, replicas));
      }
      if (object.kind !== 'ReplicaSet' || wasBehind('replicasets')) return;
      const owner = model.byUid(controllerOf(object)?.uid ?? '');
      if (owner === undefined) return;
      const sets = model.all<ReplicaSet>('replicasets').filter((set) => controllerOf(set)?.uid === owner.metadata.uid);
      const sum = sets.reduce((total, { spec }) => total + (spec?.replicas ?? 1), 0);
      const most = Math.max(...limits.recent(owner.metadata.uid));
      if (sum > most)
        violated(
          'never more than desired plus surge',
          `Deployment ${keyOf(owner)} asks for ${sum} pods, at most ${most} are allowed`,
        );
    },
  };
};

/** One pod of a DaemonSet on a node, and one more while it is replaced with surge. */
export const podsPerNode: InvariantOf = ({ model, excuses, violated }) => {
  const name = 'one pod of a DaemonSet on a node';
  return {
    name,
    changed({ kind, object }) {
      if (object.kind !== 'Pod' || kind === 'deleted') return;
      const owner = model.byUid(controllerOf(object)?.uid ?? '') as DaemonSet | undefined;
      if (owner?.kind !== 'DaemonSet') return;
      const target = targetOf(object as Pod);
      const count = model.podsOf(owner).filter((pod) => isActive(pod) && targetOf(pod) === target).length;
      const most = 1 + (amount(owner.spec?.updateStrategy?.rollingUpdate?.maxSurge, 1) > 0 ? 1 : 0) + excuses(owner.metadata.uid);
      if (count > most) violated(name, `DaemonSet ${keyOf(owner)} has ${count} pods on ${target}`);
    },
  };
};

/** The node for which a DaemonSet's pod was made. */
function targetOf({ spec }: Pod): string | undefined {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const { matchFields = [] } of terms)
    for (const { key, values } of matchFields) if (key === 'metadata.name') return values?.[0];
  return spec.nodeName;
}
