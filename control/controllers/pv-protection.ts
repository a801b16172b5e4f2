/**
 * PV protection controller: prevents the removal of a PersistentVolume while it is bound to a claim.
 *
 * Owns: the finalizer `kubernetes.io/pv-protection`, which admission adds.  Watches: PersistentVolume.  Writes: PersistentVolume.
 * Source: kubernetes.io, Storage Object in Use Protection; kubernetes `pkg/controller/volume/pvprotection`.
 */
import { volumeProtection } from '#api/storage/finalizers.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { planFinalizer } from './protection-finalizer.ts';

/** Makes the PV protection controller. */
export const pvProtectionController = ({ client, caches }: ControllerDeps): Controller => ({
  name: 'pv-protection-controller',
  watches: [own('persistentvolumes')],

  async reconcile(name) {
    const volume = caches.cache('persistentvolumes').get(name);
    if (volume === undefined) return done;
    const plan = planFinalizer(volume.metadata, volumeProtection);
    const isKept = plan.kind === 'remove' && volume.status?.phase === 'Bound';
    if (plan.kind === 'none' || isKept) return done;
    const metadata = { ...volume.metadata, finalizers: plan.finalizers };
    await client.resource('persistentvolumes').update({ ...volume, metadata });
    return done;
  },
});
