/** StatefulSet identities are unique: at most one pod of a name runs on any node, including unreachable nodes. */
import { controllerOf, keyOf } from '#api/meta.ts';
import { isPodReady } from '#api/pod/conditions.ts';
import type { Pod, StatefulSet } from '#api/types.generated.ts';
import type { InvariantOf } from './invariant.ts';

/** No two nodes run containers of one identity. */
export const oneOfAName: InvariantOf = ({ model, kubelets, violated }) => {
  const name = 'StatefulSet identities are unique';
  const told = new Set<string>();
  return {
    name,
    stepped() {
      if (model.count('statefulsets') === 0) return;
      const seen = new Map<string, { uid: string; node: string }>();
      for (const [node, { containers }] of kubelets)
        for (const [uid, { key, state, isStateful }] of containers) {
          if (!isStateful || state === 'ended') continue;
          const other = seen.get(key);
          if (other !== undefined && other.uid !== uid && !told.has(key)) {
            told.add(key);
            violated(name, `${key} runs twice: on ${other.node} and on ${node}`);
          }
          seen.set(key, { uid, node });
        }
    },
  };
};

/** Pods are created in order and not beyond the number of replicas; with OrderedReady, each waits for the one before it. */
export const ordinals: InvariantOf = ({ model, history, violated, nowMs }) => {
  const name = 'StatefulSet ordinals';
  const ranges = history<{ start: number; end: number }>();
  /** When a pod of the name was last ready. */
  const readyMs = new Map<string, number>();
  return {
    name,
    changed({ kind, object }) {
      if (object.kind === 'StatefulSet' && kind !== 'deleted') {
        const { replicas = 1, ordinals: from } = (object as StatefulSet).spec ?? {};
        const start = from?.start ?? 0;
        ranges.note(object.metadata.uid, { start, end: start + replicas });
      }
      if (object.kind !== 'Pod') return;
      const pod = object as Pod;
      const owner = model.byUid(controllerOf(pod)?.uid ?? '') as StatefulSet | undefined;
      if (owner?.kind !== 'StatefulSet') return;
      if (isPodReady(pod)) readyMs.set(`${owner.metadata.uid} ${pod.metadata.name}`, nowMs());
      if (kind !== 'created') return;
      const ordinal = Number(pod.metadata.name.slice(owner.metadata.name.length + 1));
      const known = ranges.recent(owner.metadata.uid);
      if (!known.some(({ start, end }) => ordinal >= start && ordinal < end))
        violated(name, `${keyOf(pod)} is beyond the ordinals of its set`);
      if (owner.spec?.podManagementPolicy === 'Parallel') return;
      for (let lower = Math.min(...known.map(({ start }) => start)); lower < ordinal; lower++) {
        const one = `${owner.metadata.name}-${lower}`;
        if (!readyMs.has(`${owner.metadata.uid} ${one}`) && known.every(({ start }) => lower >= start))
          violated(name, `${keyOf(pod)} was created before ${one} had ever been ready`);
      }
    },
  };
};
