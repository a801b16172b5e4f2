/**
 * PVC protection controller: prevents the removal of a PersistentVolumeClaim while a pod on a node uses it.
 *
 * Owns: the finalizer `kubernetes.io/pvc-protection`, which admission adds.  Watches: PersistentVolumeClaim, Pod.
 * Writes: PersistentVolumeClaim.
 * Source: kubernetes.io, Storage Object in Use Protection; kubernetes `pkg/controller/volume/pvcprotection`.
 */

import { controllerOf } from '#api/meta.ts';
import { volumeClaimName } from '#api/pod/object-references.ts';
import { claimProtection } from '#api/storage/finalizers.ts';
import type { PersistentVolumeClaim, Pod } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { claimKeysOf } from './pods-by-claim.ts';
import { planFinalizer } from './protection-finalizer.ts';

/** Makes the PVC protection controller. */
export const pvcProtectionController = ({ client, caches, log }: ControllerDeps): Controller => ({
  name: 'pvc-protection-controller',
  watches: [
    own('persistentvolumeclaims'),
    {
      resource: 'pods',
      keys: (pod, previous) => [
        ...claimKeysOf(pod),
        ...(previous !== undefined && previous.metadata.uid !== pod.metadata.uid ? claimKeysOf(previous) : []),
      ],
    },
  ],

  async reconcile(key) {
    const claim = caches.cache('persistentvolumeclaims').get(key);
    if (claim === undefined) return done;
    const plan = planFinalizer(claim.metadata, claimProtection);
    if (plan.kind === 'none') return done;
    if (plan.kind === 'remove') {
      const { namespace = '' } = claim.metadata;
      const isUsed = (pods: readonly Pod[]): boolean => pods.some((pod) => usesClaim(pod, claim));
      const cached = caches.cache('pods').list(namespace);
      // The cache may not show all pods yet, so also ask the API server.
      if (isUsed(cached) || isUsed((await client.resource('pods').list({ namespace })).items)) {
        log.debug({ claim: key }, 'keeping a claim that a pod uses');
        return done;
      }
    }
    const metadata = { ...claim.metadata, finalizers: plan.finalizers };
    await client.resource('persistentvolumeclaims').update({ ...claim, metadata });
    return done;
  },
});

/**
 * Whether the pod prevents the claim's removal. A pod without a node does not, because no kubelet starts a pod whose claim is being
 * deleted. Pure.
 */
export function usesClaim(pod: Pod, claim: PersistentVolumeClaim): boolean {
  if (!pod.spec.nodeName) return false;
  return (pod.spec.volumes ?? []).some((volume) => {
    if (volumeClaimName(pod, volume) !== claim.metadata.name) return false;
    return volume.ephemeral === undefined || (!isShutDown(pod) && controllerOf(claim)?.uid === pod.metadata.uid);
  });
}

/**
 * Whether the kubelet is done with the pod, or the pod was force-deleted. A pod that only waits for its finalizers must not block the
 * claim.
 */
const isShutDown = ({ metadata }: Pod): boolean =>
  metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0;
