/**
 * The recycler pod, which empties a volume for the next claim (the deprecated reclaim policy Recycle), and the steps that follow from its
 * state. Pure.
 *
 * Source: kubernetes `pkg/volume/plugins.go` (NewPersistentVolumeRecyclerPodTemplate), `pkg/volume/util/recyclerclient`.
 */
import type { New } from '#api/meta.ts';
import { wholeUnits } from '#api/quantity.ts';
import { volumeCapacity } from '#api/storage/binding.ts';
import type { PersistentVolume, Pod } from '#api/types.generated.ts';

const namespace = 'default';
const secondsPerGi = 30;
const minimumSeconds = { hostPath: 60, nfs: 300 };

/** The key of the volume's recycler pod. */
export const recyclerKey = (volume: string): string => `${namespace}/recycler-for-${volume}`;

/** The volume that the pod empties, by its name. */
export function recycledVolume({ metadata }: Pod): string | undefined {
  const isRecycler = metadata.namespace === namespace && metadata.name.startsWith('recycler-for-');
  return isRecycler ? metadata.name.slice('recycler-for-'.length) : undefined;
}

/** The pod to create: it mounts the volume and removes all files in it. */
export function recyclerPod(volume: PersistentVolume): New<Pod> {
  const { hostPath, nfs } = volume.spec;
  const source = hostPath === undefined ? { nfs } : { hostPath: { path: hostPath.path } };
  const gibibytes = Number(wholeUnits(volumeCapacity(volume)) / 2n ** 30n);
  const minimum = hostPath === undefined ? minimumSeconds.nfs : minimumSeconds.hostPath;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `recycler-for-${volume.metadata.name}`, namespace },
    spec: {
      activeDeadlineSeconds: Math.min(Math.max(gibibytes * secondsPerGi, minimum), 2 ** 31 - 1),
      restartPolicy: 'Never',
      volumes: [{ name: 'vol', ...source }],
      containers: [
        {
          name: 'pv-recycler',
          image: 'registry.k8s.io/build-image/debian-base:bookworm-v1.0.6',
          command: ['/bin/sh'],
          args: ['-c', 'test -e /scrub && find /scrub -mindepth 1 -delete && test -z "$(ls -A /scrub)" || exit 1'],
          volumeMounts: [{ name: 'vol', mountPath: '/scrub' }],
        },
      ],
    },
  };
}

/**
 * A step of recycling a volume. A pod of the recycler's name that this process has not created is removed, because it may not be a
 * recycler.
 */
export type RecycleStep =
  | { kind: 'start' }
  | { kind: 'wait' }
  | { kind: 'done' }
  | { kind: 'failed'; why: string; deletePod: boolean };

/** The next step, from the state of the pod. @param ownUid UID of the pod that this process has created; undefined: none yet */
export function recycleStep(pod: Pod | undefined, ownUid: string | undefined): RecycleStep {
  if (pod === undefined) {
    if (ownUid === undefined) return { kind: 'start' };
    return { kind: 'failed', why: 'failed to recycle volume: recycler pod was deleted', deletePod: false };
  }
  if (pod.metadata.uid !== ownUid) return { kind: 'failed', why: 'old recycler pod found, will retry later', deletePod: true };
  if (pod.status?.phase === 'Succeeded') return { kind: 'done' };
  if (pod.status?.phase !== 'Failed') return { kind: 'wait' };
  const why = pod.status.message ?? 'pod failed, pod.Status.Message unknown';
  return { kind: 'failed', why: `failed to recycle volume: ${why}`, deletePod: true };
}
