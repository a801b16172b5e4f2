/** The types of volume that pods and PersistentVolumes share. Source: upstream `pkg/apis/core/validation/validation.go`. */
import { type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isDns1123Label } from '#api/names.ts';
import type {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  FCVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  HostPathVolumeSource,
  LocalVolumeSource,
  NFSVolumeSource,
  QuobyteVolumeSource,
} from '#api/types.generated.ts';
import { validateNoBacksteps } from '../paths.ts';
import type { Submitted } from '../submitted.ts';
import { isHostPort, requireFields, validateLun, validatePartition } from './fields.ts';

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];

/** Problems of `hostPath`: path and type. */
export function validateHostPath({ path: target, type }: Submitted<HostPathVolumeSource>, path: string): FieldError[] {
  if (!target) return [required(`${path}.path`)];
  const errors = validateNoBacksteps(target, `${path}.path`);
  return type === undefined || hostPathTypes.includes(type)
    ? errors
    : [...errors, notSupported(`${path}.type`, type, hostPathTypes)];
}

/** Problems of `local`: the path. */
export function validateLocal({ path: target }: Submitted<LocalVolumeSource>, path: string): FieldError[] {
  return target ? validateNoBacksteps(target, `${path}.path`) : [required(`${path}.path`)];
}

/** Problems of `nfs`: server and path. */
export function validateNfs(nfs: Submitted<NFSVolumeSource>, path: string): FieldError[] {
  const { path: target = '' } = nfs;
  const relative = target.startsWith('/') ? [] : [invalidValue(`${path}.path`, target, 'must be an absolute path')];
  return [...requireFields(nfs, path, 'server', 'path'), ...relative];
}

/** Problems of `gcePersistentDisk`: name and partition. */
export function validateGcePersistentDisk(disk: Submitted<GCEPersistentDiskVolumeSource>, path: string): FieldError[] {
  return [...requireFields(disk, path, 'pdName'), ...validatePartition(disk.partition, `${path}.partition`)];
}

/** Problems of `awsElasticBlockStore`: volume and partition. */
export function validateAwsElasticBlockStore(disk: Submitted<AWSElasticBlockStoreVolumeSource>, path: string): FieldError[] {
  return [...requireFields(disk, path, 'volumeID'), ...validatePartition(disk.partition, `${path}.partition`)];
}

/** Problems of `fc`: either target names with a LUN, or world wide identifiers. */
export function validateFc({ targetWWNs = [], wwids = [], lun }: Submitted<FCVolumeSource>, path: string): FieldError[] {
  const at = `${path}.targetWWNs`;
  const errors: FieldError[] = [];
  if (targetWWNs.length === 0 && wwids.length === 0)
    errors.push(required(at, 'must specify either targetWWNs or wwids, but not both'));
  if (targetWWNs.length > 0 && wwids.length > 0)
    errors.push(invalidValue(at, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously'));
  if (targetWWNs.length === 0) return errors;
  if (lun === undefined) return [...errors, required(`${path}.lun`, 'lun is required if targetWWNs is specified')];
  return [...errors, ...validateLun(lun, `${path}.lun`)];
}

/** Problems of `quobyte`: registry addresses, volume and tenant. */
export function validateQuobyte(quobyte: Submitted<QuobyteVolumeSource>, path: string): FieldError[] {
  const { registry = '', tenant = '' } = quobyte;
  const text = 'must be a host:port pair or multiple pairs separated by commas';
  const errors: FieldError[] = [];
  if (registry === '') errors.push(required(`${path}.registry`, text));
  else if (Buffer.byteLength(tenant) >= 65)
    errors.push(required(`${path}.tenant`, 'must be a UUID and may not exceed a length of 64 characters'));
  else {
    for (const pair of registry.split(',')) if (!isHostPort(pair)) errors.push(invalidValue(`${path}.registry`, registry, text));
  }
  return [...errors, ...requireFields(quobyte, path, 'volume')];
}

/** Problems of `flocker`: exactly one of name and UUID of the dataset. */
export function validateFlocker(
  { datasetName = '', datasetUUID = '' }: Submitted<FlockerVolumeSource>,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (datasetName === '' && datasetUUID === '') errors.push(required(path, 'one of datasetName and datasetUUID is required'));
  if (datasetName !== '' && datasetUUID !== '')
    errors.push(invalidValue(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously'));
  if (datasetName.includes('/')) errors.push(invalidValue(`${path}.datasetName`, datasetName, "must not contain '/'"));
  return errors;
}

/** Problems of `flexVolume`: the driver, and options under reserved names. */
export function validateFlexVolume(flex: Submitted<FlexVolumeSource>, path: string): FieldError[] {
  const reserved = Object.keys(flex.options ?? {}).filter((key) => {
    const domain = `.${(key.split('/', 1)[0] ?? '').toLowerCase()}`;
    return domain.endsWith('.kubernetes.io') || domain.endsWith('.k8s.io');
  });
  const text = 'kubernetes.io and k8s.io namespaces are reserved';
  return [
    ...requireFields(flex, path, 'driver'),
    ...reserved.sort().map((key) => invalidValue(`${path}.options[${key}]`, key, text)),
  ];
}

/** Problems of `azureDisk`: name, URI, kind and caching mode. */
export function validateAzureDisk(disk: Submitted<AzureDiskVolumeSource>, path: string): FieldError[] {
  const { diskURI = '', cachingMode, kind } = disk;
  const modes = ['None', 'ReadOnly', 'ReadWrite'];
  const kinds = ['Dedicated', 'Managed', 'Shared'];
  const managed = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
  const blob = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';
  const errors = requireFields(disk, path, 'diskName', 'diskURI');
  if (cachingMode !== undefined && !modes.includes(cachingMode))
    errors.push(notSupported(`${path}.cachingMode`, cachingMode, modes));
  if (kind === undefined) return errors;
  if (!kinds.includes(kind)) errors.push(notSupported(`${path}.kind`, kind, kinds));
  if (kind === 'Managed' && !diskURI.startsWith('/subscriptions/'))
    errors.push(notSupported(`${path}.diskURI`, diskURI, [managed]));
  if (kind !== 'Managed' && !diskURI.startsWith('https://')) errors.push(notSupported(`${path}.diskURI`, diskURI, [blob]));
  return errors;
}

/** What StorageOS volumes of pods and PersistentVolumes share, besides their secret. */
export function validateStorageOs(
  { volumeName, volumeNamespace }: { volumeName?: string | undefined; volumeNamespace?: string | undefined },
  path: string,
): FieldError[] {
  const label = (value: string, at: string): FieldError[] => isDns1123Label(value).map((text) => invalidValue(at, value, text));
  return [
    ...(volumeName ? label(volumeName, `${path}.volumeName`) : [required(`${path}.volumeName`)]),
    ...(volumeNamespace ? label(volumeNamespace, `${path}.volumeNamespace`) : []),
  ];
}
