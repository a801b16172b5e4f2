/** The types of volume that a PersistentVolume may be of. Source: upstream `pkg/apis/core/validation/validation.go`. */
import { type FieldError, forbiddenField, invalidValue, required } from '#api/field-error.ts';
import { nameIsDnsLabel } from '#api/names.ts';
import type { CSIPersistentVolumeSource, GlusterfsPersistentVolumeSource, PersistentVolumeSpec } from '#api/types.generated.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import {
  requireFields,
  requireSecretRef,
  validateCsiDriverName,
  validateSecretReference,
} from '../../../validation/volumes/fields.ts';
import { validateIscsiPersistent } from '../../../validation/volumes/iscsi.ts';
import {
  validateAwsElasticBlockStore,
  validateAzureDisk,
  validateFc,
  validateFlexVolume,
  validateFlocker,
  validateGcePersistentDisk,
  validateHostPath,
  validateLocal,
  validateNfs,
  validateQuobyte,
  validateStorageOs,
} from '../../../validation/volumes/sources.ts';

interface Source {
  /** Problems of this source, if the spec has it. */
  check(spec: PersistentVolumeSpec, path: string, volumeName: string): FieldError[] | undefined;
  /** The field name in its errors, where it differs from the wire name. */
  shown?: string;
  /** The field name in the error about a second source. Null: upstream forgets to refuse it as a second source. */
  further?: string | null;
}

/** In the order that upstream looks at them: the first given is checked, each further one is an error. */
const sources: Readonly<Record<string, Source>> = {
  hostPath: { check: ({ hostPath }, path) => hostPath && validateHostPath(hostPath, path) },
  gcePersistentDisk: {
    check: ({ gcePersistentDisk: disk }, path) => disk && validateGcePersistentDisk(disk, path),
    shown: 'persistentDisk',
  },
  awsElasticBlockStore: {
    check: ({ awsElasticBlockStore: disk }, path) => disk && validateAwsElasticBlockStore(disk, path),
  },
  glusterfs: { check: ({ glusterfs }, path) => glusterfs && validateGlusterfs(glusterfs, path) },
  flocker: { check: ({ flocker }, path) => flocker && validateFlocker(flocker, path) },
  nfs: { check: ({ nfs }, path) => nfs && validateNfs(nfs, path) },
  rbd: { check: ({ rbd }, path) => rbd && requireFields(rbd, path, 'monitors', 'image') },
  quobyte: { check: ({ quobyte }, path) => quobyte && validateQuobyte(quobyte, path) },
  cephfs: { check: ({ cephfs }, path) => cephfs && requireFields(cephfs, path, 'monitors'), further: 'cephFS' },
  iscsi: { check: ({ iscsi }, path, name) => iscsi && validateIscsiPersistent(iscsi, path, name) },
  cinder: {
    check: ({ cinder }, path) =>
      cinder && [...requireFields(cinder, path, 'volumeID'), ...requireSecretRef(cinder.secretRef, path, 'name', 'namespace')],
  },
  fc: { check: ({ fc }, path) => fc && validateFc(fc, path) },
  flexVolume: { check: ({ flexVolume }, path) => flexVolume && validateFlexVolume(flexVolume, path), further: null },
  azureFile: {
    check: ({ azureFile: file }, path) =>
      file && [
        ...requireFields(file, path, 'secretName', 'shareName'),
        ...(file.secretNamespace === '' ? [required(`${path}.secretNamespace`)] : []),
      ],
  },
  vsphereVolume: { check: ({ vsphereVolume }, path) => vsphereVolume && requireFields(vsphereVolume, path, 'volumePath') },
  photonPersistentDisk: {
    check: ({ photonPersistentDisk: disk }, path) => disk && requireFields(disk, path, 'pdID'),
  },
  portworxVolume: { check: ({ portworxVolume: volume }, path) => volume && requireFields(volume, path, 'volumeID') },
  azureDisk: { check: ({ azureDisk }, path) => azureDisk && validateAzureDisk(azureDisk, path) },
  scaleIO: { check: ({ scaleIO }, path) => scaleIO && requireFields(scaleIO, path, 'gateway', 'system', 'volumeName') },
  local: { check: ({ local }, path) => local && validateLocal(local, path) },
  storageos: {
    check: ({ storageos }, path) =>
      storageos && [...validateStorageOs(storageos, path), ...requireSecretRef(storageos.secretRef, path, 'name', 'namespace')],
  },
  csi: { check: ({ csi }, path) => csi && validateCsi(csi, path) },
};

/**
 * Problems of the source: exactly one, and a valid one.
 * @param path where the volume's spec stands; an inline spec has no node affinity
 */
export function validateVolumeSources(
  spec: PersistentVolumeSpec,
  path: string,
  volumeName: string,
  inline: boolean,
): FieldError[] {
  let seen = false;
  const errors: FieldError[] = [];
  for (const [name, { check, shown = name, further = name }] of Object.entries(sources)) {
    const found = check(spec, `${path}.${shown}`, volumeName);
    if (found === undefined) continue;
    if (seen && further !== null) errors.push(forbiddenField(`${path}.${further}`, 'may not specify more than 1 volume type'));
    else {
      errors.push(...found);
      if (name === 'local' && (inline || spec.nodeAffinity === undefined))
        errors.push(required(`${path}.nodeAffinity`, 'Local volume requires node affinity'));
    }
    seen = true;
  }
  return seen ? errors : [required(path, 'must specify a volume type')];
}

function validateGlusterfs(glusterfs: Submitted<GlusterfsPersistentVolumeSource>, path: string): FieldError[] {
  const { endpointsNamespace: namespace } = glusterfs;
  const errors = requireFields(glusterfs, path, 'endpoints', 'path');
  if (namespace === undefined) return errors;
  const problems =
    namespace === '' ? ['if the endpointnamespace is set, it must be a valid namespace name'] : nameIsDnsLabel(namespace, false);
  return [...errors, ...problems.map((text) => invalidValue(`${path}.endpointsNamespace`, namespace, text))];
}

const secretsInOrder = [
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
] as const;

function validateCsi(csi: Submitted<CSIPersistentVolumeSource>, path: string): FieldError[] {
  return [
    ...validateCsiDriverName(csi.driver, `${path}.driver`),
    ...requireFields(csi, path, 'volumeHandle'),
    ...secretsInOrder.flatMap((field) => {
      const ref = csi[field];
      return ref === undefined ? [] : validateSecretReference(ref, `${path}.${field}`);
    }),
  ];
}
