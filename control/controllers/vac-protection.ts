/**
 * VAC protection controller: prevents the removal of a VolumeAttributesClass while a claim or a volume refers to it.
 *
 * Owns: the finalizer `kubernetes.io/vac-protection`, which admission adds.
 * Watches: VolumeAttributesClass, PersistentVolumeClaim, PersistentVolume.  Writes: VolumeAttributesClass.
 * Source: kubernetes `pkg/controller/volume/vacprotection`; KEP-3751.
 */

import { attributesClassNames } from '#api/storage/claim-classes.ts';
import { attributesClassProtection } from '#api/storage/finalizers.ts';
import type { PersistentVolume } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { planFinalizer } from './protection-finalizer.ts';

const id = 'volumeattributesclasses.storage.k8s.io';

/** Makes the VAC protection controller. */
export const vacProtectionController = ({ client, caches }: ControllerDeps): Controller => ({
  name: 'volumeattributesclass-protection-controller',
  watches: [
    own(id),
    // A class that the object no longer refers to may now be removable.
    {
      resource: 'persistentvolumeclaims',
      keys: (claim, previous) => [
        ...attributesClassNames(claim),
        ...(previous === undefined ? [] : attributesClassNames(previous)),
      ],
    },
    {
      resource: 'persistentvolumes',
      keys: (volume, previous) => [...classesOfVolume(volume), ...(previous === undefined ? [] : classesOfVolume(previous))],
    },
  ],

  async reconcile(name) {
    const found = caches.cache(id).get(name);
    if (found === undefined) return done;
    const plan = planFinalizer(found.metadata, attributesClassProtection);
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
          .some((claim) => attributesClassNames(claim).includes(name)));
    if (isUsed) return done;
    await client.resource(id).update({ ...found, metadata: { ...found.metadata, finalizers: plan.finalizers } });
    return done;
  },
});

const classesOfVolume = ({ spec }: PersistentVolume): string[] =>
  spec.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
