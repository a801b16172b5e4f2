/**
 * Ephemeral volume controller: makes the claims of pods' generic ephemeral volumes. The garbage collector removes them with their pods.
 *
 * Owns: PersistentVolumeClaim (by controller ownerReference).  Watches: Pod, PersistentVolumeClaim.  Writes: PersistentVolumeClaim.
 * Source: kubernetes.io, Ephemeral Volumes; kubernetes `pkg/controller/volume/ephemeral`.
 */
import { errorText } from '#api/error-text.ts';
import { controllerOf, controllerReference, keyOf, type New } from '#api/meta.ts';
import { volumeClaimName } from '#api/pod/object-references.ts';
import type { PersistentVolumeClaim, Pod, Volume } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { PodsByClaim } from './pods-by-claim.ts';

/** Makes the ephemeral volume controller. */
export function ephemeralVolumeController({ client, caches, events }: ControllerDeps): Controller {
  const users = new PodsByClaim();
  return {
    name: 'ephemeral-volume-controller',
    watches: [
      {
        resource: 'pods',
        keys: (pod, previous) => {
          users.changed(pod, previous, caches.cache('pods').get(keyOf(pod)) !== undefined);
          return previous === undefined && needsClaims(pod) ? [keyOf(pod)] : [];
        },
      },
      {
        resource: 'persistentvolumeclaims',
        // A deleted claim is created again while its pod exists.
        keys: (claim) =>
          caches.cache('persistentvolumeclaims').get(keyOf(claim)) === undefined
            ? users.of(keyOf(claim)).filter(needsClaims).map(keyOf)
            : [],
      },
    ],

    async reconcile(key) {
      const pod = caches.cache('pods').get(key);
      if (pod === undefined || !needsClaims(pod)) return done;
      for (const volume of pod.spec.volumes ?? []) {
        const wanted = ephemeralClaim(pod, volume);
        if (wanted === undefined) continue;
        try {
          const found = caches.cache('persistentvolumeclaims').get(keyOf(wanted));
          if (found === undefined) await create(wanted);
          else checkOwner(pod, found);
        } catch (error) {
          events.event(pod, 'Warning', 'FailedBinding', `ephemeral volume ${volume.name}: ${errorText(error)}`);
          throw error;
        }
      }
      return done;
    },
  };

  async function create(claim: New<PersistentVolumeClaim>): Promise<void> {
    try {
      await client.resource('persistentvolumeclaims').create(claim);
    } catch (error) {
      throw new Error(`create PVC ${claim.metadata.name ?? ''}: ${errorText(error)}`, { cause: error });
    }
  }
}

const needsClaims = ({ metadata, spec }: Pod): boolean =>
  metadata.deletionTimestamp === undefined && (spec.volumes ?? []).some(({ ephemeral }) => ephemeral !== undefined);

/** The claim of an ephemeral volume; undefined: the volume is of another type. Pure. */
export function ephemeralClaim(pod: Pod, volume: Volume): New<PersistentVolumeClaim> | undefined {
  const template = volume.ephemeral?.volumeClaimTemplate;
  if (template === undefined) return undefined;
  const { labels, annotations } = template.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: volumeClaimName(pod, volume),
      namespace: pod.metadata.namespace,
      labels,
      annotations,
      ownerReferences: [controllerReference(pod)],
    },
    spec: template.spec,
  };
}

/** @throws Error when a claim of this name was not made for the pod: the pod would see another one's data */
function checkOwner(pod: Pod, claim: PersistentVolumeClaim): void {
  if (controllerOf(claim)?.uid !== pod.metadata.uid)
    throw new Error(`PVC ${keyOf(claim)} was not created for pod ${keyOf(pod)} (pod is not owner)`);
}
