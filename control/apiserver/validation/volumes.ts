/** Volumes and their mounts. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isDns1123Label } from '#api/names.ts';
import { compareQuantity } from '#api/quantity.ts';
import type { DownwardAPIVolumeFile, KeyToPath, Volume } from '#api/types.generated.ts';
import { validateFieldRef, validateResourceFieldRef } from './env.ts';
import { validateFileMode, validateLocalNonReservedPath, validateNoBacksteps } from './paths.ts';
import { validateProjected } from './projected-volume.ts';

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];
const volumeFieldPaths = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

type SourceName = Exclude<keyof Volume, 'name'>;

/** Sources in the order that upstream looks at them: the first given is checked, each further one is an error. */
const sources: readonly SourceName[] = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
];

/** The errors, and the valid volumes by name: mounts may refer to those only. */
export function validateVolumes(volumes: readonly Volume[], path: string): { errors: FieldError[]; byName: Map<string, Volume> } {
  const byName = new Map<string, Volume>();
  const errors = volumes.flatMap((volume, index) => {
    const at = `${path}[${index}]`;
    const name = volume.name ?? '';
    const own = validateSource(volume, at);
    if (name === '') own.push(required(`${at}.name`));
    else own.push(...isDns1123Label(name).map((text) => invalidValue(`${at}.name`, name, text)));
    if (byName.has(name)) own.push(duplicate(`${at}.name`, name));
    if (own.length === 0) byName.set(name, volume);
    return own;
  });
  return { errors, byName };
}

function validateSource(volume: Volume, path: string): FieldError[] {
  const given = sources.filter((name) => volume[name] !== undefined);
  if (given.length === 0) return [required(path, 'must specify a volume type')];
  return given.flatMap((name, index) =>
    index === 0 ? validateOne(volume, name, `${path}.${name}`) : [forbiddenField(`${path}.${name}`, 'may not specify more than 1 volume type')],
  );
}

/** The types that this cluster runs, and what those of others require by name. */
function validateOne(volume: Volume, name: SourceName, path: string): FieldError[] {
  switch (name) {
    case 'emptyDir':
      return validateEmptyDir(volume, path);
    case 'hostPath':
      return validateHostPath(volume, path);
    case 'secret':
      return validateFiles(volume.secret?.secretName, 'secretName', volume.secret ?? {}, path);
    case 'configMap':
      return validateFiles(volume.configMap?.name, 'name', volume.configMap ?? {}, path);
    case 'downwardAPI':
      return [
        ...validateFileMode(volume.downwardAPI?.defaultMode, `${path}.defaultMode`),
        ...(volume.downwardAPI?.items ?? []).flatMap((file) => validateDownwardFile(file, path)),
      ];
    case 'projected':
      return validateProjected(volume.projected ?? {}, path);
    case 'persistentVolumeClaim':
      return volume.persistentVolumeClaim?.claimName ? [] : [required(`${path}.claimName`)];
    case 'ephemeral':
      return volume.ephemeral?.volumeClaimTemplate === undefined ? [required(`${path}.volumeClaimTemplate`)] : [];
    case 'nfs':
      return validateNfs(volume, path);
    case 'csi':
      return volume.csi?.driver ? [] : [required(`${path}.driver`)];
    case 'image':
      return validateImage(volume, path);
    default:
      return [];
  }
}

function validateEmptyDir({ emptyDir }: Volume, path: string): FieldError[] {
  const limit = emptyDir?.sizeLimit;
  if (limit === undefined || compareQuantity(limit, 0) >= 0) return [];
  return [forbiddenField(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')];
}

function validateHostPath({ hostPath }: Volume, path: string): FieldError[] {
  if (!hostPath?.path) return [required(`${path}.path`)];
  const errors = validateNoBacksteps(hostPath.path, `${path}.path`);
  const { type } = hostPath;
  return type === undefined || hostPathTypes.includes(type) ? errors : [...errors, notSupported(`${path}.type`, type, hostPathTypes)];
}

function validateNfs({ nfs }: Volume, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!nfs?.server) errors.push(required(`${path}.server`));
  if (!nfs?.path) errors.push(required(`${path}.path`));
  if (nfs?.path?.startsWith('/') !== true) errors.push(invalidValue(`${path}.path`, nfs?.path ?? '', 'must be an absolute path'));
  return errors;
}

function validateImage({ image }: Volume, path: string): FieldError[] {
  const policies = ['Always', 'IfNotPresent', 'Never'];
  const errors: FieldError[] = image?.reference ? [] : [required(`${path}.reference`)];
  const policy = image?.pullPolicy ?? '';
  if (policy === '') errors.push(required(`${path}.pullPolicy`));
  else if (!policies.includes(policy)) errors.push(notSupported(`${path}.pullPolicy`, policy, policies));
  return errors;
}

/** A ConfigMap or Secret as files. */
function validateFiles(
  name: string | undefined,
  nameField: string,
  { defaultMode, items }: { defaultMode?: number | undefined; items?: KeyToPath[] | undefined },
  path: string,
): FieldError[] {
  return [
    ...(name ? [] : [required(`${path}.${nameField}`)]),
    ...validateFileMode(defaultMode, `${path}.defaultMode`),
    ...(items ?? []).flatMap((item, index) => validateKeyToPath(item, `${path}.items[${index}]`)),
  ];
}

export function validateKeyToPath({ key, path: file, mode }: KeyToPath, path: string): FieldError[] {
  return [
    ...(key ? [] : [required(`${path}.key`)]),
    ...(file ? [] : [required(`${path}.path`)]),
    ...validateLocalNonReservedPath(file ?? '', `${path}.path`),
    ...validateFileMode(mode, `${path}.mode`),
  ];
}

export function validateDownwardFile(file: DownwardAPIVolumeFile, path: string): FieldError[] {
  const errors: FieldError[] = file.path ? [] : [required(`${path}.path`)];
  errors.push(...validateLocalNonReservedPath(file.path ?? '', `${path}.path`));
  if (file.fieldRef !== undefined) {
    errors.push(...validateFieldRef(file.fieldRef, volumeFieldPaths, `${path}.fieldRef`));
    if (file.resourceFieldRef !== undefined) {
      errors.push(invalidValue(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
  } else if (file.resourceFieldRef !== undefined) {
    errors.push(...validateResourceFieldRef(file.resourceFieldRef, `${path}.resourceFieldRef`, true));
  } else {
    errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'));
  }
  errors.push(...validateFileMode(file.mode, `${path}.mode`));
  return errors;
}
