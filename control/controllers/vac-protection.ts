/**
 * VAC protection controller: a VolumeAttributesClass that a claim or a volume names is not removed.
 *
 * Owns: the finalizer `kubernetes.io/vac-protection`, which admission adds.
 * Watches: VolumeAttributesClass, PersistentVolumeClaim, PersistentVolume.  Writes: VolumeAttributesClass.
 * Source: kubernetes `pkg/controller/volume/vacprotection`; KEP-3751.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { planFinalizer } from './protection-finalizer.ts';

const id = 'volumeattributesclasses.storage.k8s.io';
const finalizer = 'kubernetes.io/vac-protection';

/** Makes the VAC protection controller. */
export const vacProtectionController = ({ client, caches }: ControllerDeps): Controller => ({
  name: 'volumeattributesclass-protection-controller',
  watches: [
    own(id),
    // What an object does not name any more may have waited for it.
    {
      resource: 'persistentvolumeclaims',
      keys: (claim, previous) => [...classesOfClaim(claim), ...(previous === undefined ? [] : classesOfClaim(previous))],
    },
    {
      resource: 'persistentvolumes',
      keys: (volume, previous) => [...classesOfVolume(volume), ...(previous === undefined ? [] : classesOfVolume(previous))],
    },
  ],

  async reconcile(name) {
    const found = caches.cache(id).get(name);
    if (found === undefined) return done;
    const plan = planFinalizer(found.metadata, finalizer);
    if (plan.kind === 'none') return done;
    const isUsed =
      plan.kind === 'remove' &&
      (caches
        .cache('persistentvolumes')
        .list()
        .some((volume) => classesOfVolume(volume).includes(name)) ||
        caches
          .cache('persistentvolumeclaims')
          .list()
          .some((claim) => classesOfClaim(claim).includes(name)));
    if (isUsed) return done;
    await client.resource(id).update({ ...found, metadata: { ...found.metadata, finalizers: plan.finalizers } });
    return done;
  },
});

/** What the claim asks for, has, and is on its way to. Pure. */
export function classesOfClaim({ spec, status }: PersistentVolumeClaim): string[] {
  const names = [
    spec.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return names.filter((name) => name !== undefined && name !== '') as string[];
}

const classesOfVolume = ({ spec }: PersistentVolume): string[] =>
  spec.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
