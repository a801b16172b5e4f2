/**
 * Finds the PersistentVolume of a pod's claim. Claim and volume must refer to each other; one reference alone is not trusted.
 *
 * Source: upstream `pkg/kubelet/volumemanager/populator/desired_state_of_world_populator.go` (createVolumeSpec, messages included).
 */
import { controllerOf } from '#api/meta.ts';
import { volumeClaimName } from '#api/pod/object-references.ts';
import { annotation, provisionedByAnnotation, volumeFitsNode, volumeModeOf } from '#api/storage/binding.ts';
import { claimProtection } from '#api/storage/finalizers.ts';
import { localPathProvisioner } from '#api/storage/local-path.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { messageText } from '../errors.ts';
import { MountStepError, type VolumeSpec } from './plugin.ts';

/** The reads that are needed to find a claim's volume. A node may read the claims of its pods, and their volumes. */
export interface ClaimSources {
  /** @throws ApiError */
  claim(namespace: string, name: string): Promise<PersistentVolumeClaim>;
  /** @throws ApiError */
  volume(name: string): Promise<PersistentVolume>;
  /** The labels of this node; undefined: not known yet. */
  nodeLabels(): Readonly<Record<string, string>> | undefined;
}

/** Reads from the API server each time. With a cached binding, a pod might mount a volume that belongs to another claim now. */
export const claimSources = (client: Client, nodeLabels: ClaimSources['nodeLabels']): ClaimSources => ({
  claim: (namespace, name) => client.resource('persistentvolumeclaims').get({ namespace, name }),
  volume: (name) => client.resource('persistentvolumes').get({ name }),
  nodeLabels,
});

/** The pod cannot use a volume through this claim, or not yet. */
export class ClaimError extends Error {
  override name = 'ClaimError';
}

/** The volume as plugins see it. A claim is replaced by its PersistentVolume. @throws ClaimError, MountStepError */
export async function volumeSpec(pod: Pod, volume: Volume, sources: ClaimSources): Promise<VolumeSpec> {
  const name = volumeClaimName(pod, volume);
  if (name === undefined) return volume;
  const { namespace = '' } = pod.metadata;
  const processing = (error: unknown): never => {
    throw new ClaimError(`error processing PVC ${namespace}/${name}: ${messageText(error)}`, { cause: error });
  };
  const claim = await boundClaim(sources, namespace, name).catch(processing);
  if (volume.ephemeral !== undefined) checkOwner(pod, claim);
  const found = await claimedVolume(sources, claim).catch(processing);
  checkMode(pod, volume, found);
  const labels = sources.nodeLabels();
  if (labels !== undefined && !volumeFitsNode(found, { labels }))
    throw new MountStepError('MountVolume.NodeAffinity check failed', found.metadata.name, 'no matching NodeSelectorTerms');
  const { hostPath, local } = found.spec;
  const isLocalPath = annotation(found, provisionedByAnnotation) === localPathProvisioner;
  const readOnly = volume.persistentVolumeClaim?.readOnly === true;
  return { name: found.metadata.name, hostPath, local, isLocalPath, readOnly };
}

async function boundClaim(sources: ClaimSources, namespace: string, name: string): Promise<PersistentVolumeClaim> {
  const claim = await sources.claim(namespace, name).catch((error: unknown) => {
    throw new Error(`failed to fetch PVC from API server: ${messageText(error)}`, { cause: error });
  });
  const { deletionTimestamp, finalizers = [] } = claim.metadata;
  // A claim with the protection finalizer stays until its pods are gone. Running pods may still use it, also after a restart of the
  // kubelet.
  if (deletionTimestamp !== undefined && !finalizers.includes(claimProtection)) throw new Error('PVC is being deleted');
  if (claim.status?.phase !== 'Bound') throw new Error('PVC is not bound');
  if ((claim.spec.volumeName ?? '') === '') throw new Error('PVC has empty pvc.Spec.VolumeName');
  return claim;
}

async function claimedVolume(sources: ClaimSources, { spec, metadata }: PersistentVolumeClaim): Promise<PersistentVolume> {
  const name = spec.volumeName ?? '';
  const volume = await sources.volume(name).catch((error: unknown) => {
    throw new Error(`failed to fetch PV ${name} from API server: ${messageText(error)}`, { cause: error });
  });
  const { claimRef } = volume.spec;
  if (claimRef === undefined)
    throw new Error(`found PV object ${name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim`);
  if (claimRef.uid !== metadata.uid)
    throw new Error(
      `found PV object ${name} but its pv.Spec.ClaimRef.UID ${claimRef.uid ?? ''} does not point to claim.UID ${metadata.uid}`,
    );
  return volume;
}

/** Checks the owner of an ephemeral claim: another client may have created a claim of this name. */
function checkOwner(pod: Pod, claim: PersistentVolumeClaim): void {
  const owner = controllerOf(claim);
  if (owner?.uid === pod.metadata.uid) return;
  const [of, by] = [claim, pod].map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`);
  throw new ClaimError(`PVC ${of} was not created for pod ${by} (pod is not owner)`);
}

function checkMode({ spec }: Pod, { name }: Volume, volume: PersistentVolume): void {
  const mode = volumeModeOf(volume);
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const isMounted = containers.some(({ volumeMounts = [] }) => volumeMounts.some((mount) => mount.name === name));
  const isDevice = containers.some(({ volumeDevices = [] }) => volumeDevices.some((device) => device.name === name));
  if (isMounted && mode !== 'Filesystem')
    throw new ClaimError(`volume ${name} has volumeMode ${mode}, but is specified in volumeMounts`);
  if (isDevice && mode !== 'Block')
    throw new ClaimError(`volume ${name} has volumeMode ${mode}, but is specified in volumeDevices`);
}
