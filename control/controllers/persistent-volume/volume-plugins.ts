/**
 * Facts about upstream's in-tree volume plugins that the binder needs: which ones a CSI driver replaces, and who provisions, deletes and
 * recycles volumes. Pure.
 *
 * Source: csi-translation-lib `plugins`; kubernetes `pkg/volume/{plugins.go,hostpath}`, `cmd/kube-controller-manager/app/plugins.go`.
 */
import { annotation, migratedToAnnotation, provisionedByAnnotation } from '#api/storage/binding.ts';
import type { PersistentVolume, StorageClass } from '#api/types.generated.ts';

const csiDrivers: ReadonlyMap<string, string> = new Map([
  ['kubernetes.io/aws-ebs', 'ebs.csi.aws.com'],
  ['kubernetes.io/azure-disk', 'disk.csi.azure.com'],
  ['kubernetes.io/azure-file', 'file.csi.azure.com'],
  ['kubernetes.io/cinder', 'cinder.csi.openstack.org'],
  ['kubernetes.io/gce-pd', 'pd.csi.storage.gke.io'],
  ['kubernetes.io/portworx-volume', 'pxd.portworx.com'],
  ['kubernetes.io/vsphere-volume', 'csi.vsphere.vmware.com'],
]);
const hostPathPlugin = 'kubernetes.io/host-path';
const nfsPlugin = 'kubernetes.io/nfs';

/** The CSI driver that replaces an in-tree plugin; undefined when there is none. */
export const csiDriverOf = (plugin: string): string | undefined => csiDrivers.get(plugin);

/** Whether the name is that of a current or former in-tree plugin. */
export const isInTree = (plugin: string): boolean => plugin.startsWith('kubernetes.io/');

/**
 * The provisioner of a class: an external one with this name, or none, with the reason. `annotate`: set the provisioner's annotation on the
 * claim nevertheless.
 */
export type Provisioner = { kind: 'external'; name: string } | { kind: 'none'; why: string; annotate?: boolean };

/** The provisioner of a class. Upstream's host-path plugin provisions only in tests, with a flag. */
export function provisionerOf({ metadata, provisioner, mountOptions = [] }: StorageClass): Provisioner {
  const driver = csiDriverOf(provisioner);
  if (driver !== undefined) return { kind: 'external', name: driver };
  if (!isInTree(provisioner)) return { kind: 'external', name: provisioner };
  if (provisioner === nfsPlugin) return { kind: 'none', why: 'no provisionable volume plugin matched' };
  if (provisioner !== hostPathPlugin) return { kind: 'none', why: `no volume plugin matched name: ${provisioner}` };
  const why =
    mountOptions.length > 0
      ? `Mount options are not supported by the provisioner but StorageClass ${JSON.stringify(metadata.name)} has mount options [${mountOptions.join(' ')}]`
      : `Failed to create provisioner: provisioning in volume plugin ${JSON.stringify(hostPathPlugin)} is disabled`;
  return { kind: 'none', why, annotate: true };
}

/**
 * Who deletes the volume's storage: an external provisioner, nobody (`error`), or upstream's deleter of host paths (`done`). The latter
 * deletes the path on the controller's machine; that is not a node, so the path does not exist and the deletion succeeds.
 */
export type Deleter = { kind: 'external' } | { kind: 'done' } | { kind: 'error'; why: string };

/** The deleter of a released volume. */
export function deleterOf(volume: PersistentVolume): Deleter {
  const { metadata, spec } = volume;
  const provisionedBy = annotation(volume, provisionedByAnnotation) ?? '';
  if (provisionedBy !== '') {
    if (!isInTree(provisionedBy)) return { kind: 'external' };
    if (provisionedBy === nfsPlugin) return { kind: 'error', why: 'no deletable volume plugin matched' };
    if (provisionedBy !== hostPathPlugin) return { kind: 'error', why: `no volume plugin matched name: ${provisionedBy}` };
    if (spec.hostPath === undefined) {
      const why = `failed to create deleter for volume ${JSON.stringify(metadata.name)}: spec.PersistentVolumeSource.HostPath is nil`;
      return { kind: 'error', why };
    }
    return hostPathDeleter(spec.hostPath.path);
  }
  if (annotation(volume, migratedToAnnotation) !== undefined || spec.csi !== undefined) return { kind: 'external' };
  if (spec.hostPath !== undefined) return hostPathDeleter(spec.hostPath.path);
  const why = spec.nfs === undefined ? 'no volume plugin matched' : 'no deletable volume plugin matched';
  return { kind: 'error', why: `error getting deleter volume plugin for volume ${JSON.stringify(metadata.name)}: ${why}` };
}

function hostPathDeleter(path: string): Deleter {
  // As upstream's regular expression, not anchored.
  if (/\/tmp\/.+/.test(path)) return { kind: 'done' };
  return { kind: 'error', why: `host_path deleter only supports /tmp/.+ but received provided ${path}` };
}

/** Whether a pod can empty the volume for the next claim. */
export const isRecyclable = ({ spec }: PersistentVolume): boolean => spec.hostPath !== undefined || spec.nfs !== undefined;
