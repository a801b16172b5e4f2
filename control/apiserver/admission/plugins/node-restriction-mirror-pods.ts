/**
 * Whether a pod uses other objects of the API. A mirror pod, which the node creates, must not: the node would get permission to read them.
 *
 * Source: kubernetes `pkg/api/pod/util.go` (HasAPIObjectReference).
 */
import { podReferences } from '#api/pod/object-references.ts';
import type { Pod, Volume, VolumeProjection } from '#api/types.generated.ts';

/** A resource as in upstream's messages, or the error. */
export type UsedApiObjects = { resource: string } | { problem: string };

/** The first that is found; undefined if it uses none. */
export function usedApiObjects(pod: Pod): UsedApiObjects | undefined {
  const { serviceAccountName = '', resourceClaims = [], volumes = [] } = pod.spec;
  const { secrets, configMaps } = podReferences(pod);
  if (serviceAccountName !== '') return { resource: 'serviceaccounts' };
  if (secrets.size > 0) return { resource: 'secrets' };
  if (configMaps.size > 0) return { resource: 'configmaps' };
  if (resourceClaims.length > 0) return { resource: 'resourceclaims' };
  for (const volume of volumes) {
    const used = usedByVolume(volume);
    if (used !== undefined) return used;
  }
  return undefined;
}

/** Volume types that refer to no API objects. */
const ownVolumes = [
  'awsElasticBlockStore',
  'azureDisk',
  'cephfs',
  'cinder',
  'downwardAPI',
  'emptyDir',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'gitRepo',
  'hostPath',
  'image',
  'iscsi',
  'nfs',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
] as const satisfies readonly (keyof Volume)[];

const volumeResources = {
  configMap: 'configmaps (via configmap volumes)',
  secret: 'secrets (via secret volumes)',
  csi: 'csidrivers (via CSI volumes)',
  glusterfs: 'endpoints (via glusterFS volumes)',
  persistentVolumeClaim: 'persistentvolumeclaims',
  ephemeral: 'persistentvolumeclaims (via ephemeral volumes)',
  azureFile: 'secrets (via azureFile volumes)',
} as const satisfies Partial<Record<keyof Volume, string>>;

const projectedResources = {
  configMap: 'configmaps (via projected volumes)',
  secret: 'secrets (via projected volumes)',
  serviceAccountToken: 'serviceaccounts (via projected volumes)',
  clusterTrustBundle: 'clustertrustbundles',
  podCertificate: 'podcertificates',
} as const satisfies Partial<Record<keyof VolumeProjection, string>>;

function usedByVolume(volume: Volume): UsedApiObjects | undefined {
  if (ownVolumes.some((type) => volume[type] !== undefined)) return undefined;
  for (const [type, resource] of Object.entries(volumeResources))
    if (volume[type as keyof Volume] !== undefined) return { resource };
  const { name, projected } = volume;
  if (projected === undefined) return { problem: `unknown volume type for volume  ${JSON.stringify(name)}` };
  for (const source of projected.sources ?? []) {
    for (const [type, resource] of Object.entries(projectedResources))
      if (source[type as keyof VolumeProjection] !== undefined) return { resource };
    if (source.downwardAPI === undefined) return { problem: `unknown source for projected volume ${JSON.stringify(name)}` };
  }
  return undefined;
}
