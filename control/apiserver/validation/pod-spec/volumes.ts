/** Volumes and their mounts. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isDns1123Label } from '#api/names.ts';
import { compareQuantity } from '#api/quantity.ts';
import type { KeyToPath, Volume } from '#api/types.generated.ts';
import { validateFileMode, validateNoBacksteps } from '../paths.ts';
import { validateProjected } from './projected-volume.ts';
import { validateDownwardFile, validateKeyToPath } from './volume-files.ts';

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];

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

/** The errors, and the valid volumes by name: mounts may refer to those only. A template's image may be named later. */
export function validateVolumes(
  volumes: readonly Volume[],
  path: string,
  isPod: boolean,
): { errors: FieldError[]; byName: Map<string, Volume> } {
  const byName = new Map<string, Volume>();
  const errors = volumes.flatMap((volume, index) => {
    const at = `${path}[${index}]`;
    const name = volume.name ?? '';
    const own = validateSource(volume, at, isPod);
    if (name === '') own.push(required(`${at}.name`));
    else own.push(...isDns1123Label(name).map((text) => invalidValue(`${at}.name`, name, text)));
    if (byName.has(name)) own.push(duplicate(`${at}.name`, name));
    if (own.length === 0) byName.set(name, volume);
    return own;
  });
  return { errors, byName };
}

function validateSource(volume: Volume, path: string, isPod: boolean): FieldError[] {
  const given = sourcesOf(volume);
  if (given.length === 0) return [required(path, 'must specify a volume type')];
  return given.flatMap((name, index) =>
    index === 0
      ? (checks[name]?.(volume, `${path}.${name}`, isPod) ?? [])
      : [forbiddenField(`${path}.${name}`, 'may not specify more than 1 volume type')],
  );
}

const sourceNames: ReadonlySet<string> = new Set(sources);

/** In the order of {@link sources}. There is one, mostly, and there may be many volumes. */
function sourcesOf(volume: Volume): SourceName[] {
  const given = Object.keys(volume).filter(
    (name): name is SourceName => sourceNames.has(name) && volume[name as SourceName] !== undefined,
  );
  return given.length < 2 ? given : given.sort((a, b) => sources.indexOf(a) - sources.indexOf(b));
}

type SourceCheck = (volume: Volume, path: string, isPod: boolean) => FieldError[];

/** For the types that this cluster runs, and for those of others what they cannot do without. */
const checks: Partial<Record<SourceName, SourceCheck>> = {
  emptyDir: validateEmptyDir,
  hostPath: validateHostPath,
  secret: ({ secret }, path) => validateFiles(secret?.secretName, 'secretName', secret ?? {}, path),
  configMap: ({ configMap }, path) => validateFiles(configMap?.name, 'name', configMap ?? {}, path),
  downwardAPI: ({ downwardAPI }, path) => [
    ...validateFileMode(downwardAPI?.defaultMode, `${path}.defaultMode`),
    ...(downwardAPI?.items ?? []).flatMap((file) => validateDownwardFile(file, path)),
  ],
  projected: ({ projected }, path) => validateProjected(projected ?? {}, path),
  persistentVolumeClaim: ({ persistentVolumeClaim }, path) =>
    persistentVolumeClaim?.claimName ? [] : [required(`${path}.claimName`)],
  ephemeral: ({ ephemeral }, path) =>
    ephemeral?.volumeClaimTemplate === undefined ? [required(`${path}.volumeClaimTemplate`)] : [],
  nfs: validateNfs,
  csi: ({ csi }, path) => (csi?.driver ? [] : [required(`${path}.driver`)]),
  image: validateImage,
};

function validateEmptyDir({ emptyDir }: Volume, path: string): FieldError[] {
  const limit = emptyDir?.sizeLimit;
  if (limit === undefined || compareQuantity(limit, 0) >= 0) return [];
  return [forbiddenField(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')];
}

function validateHostPath({ hostPath }: Volume, path: string): FieldError[] {
  if (!hostPath?.path) return [required(`${path}.path`)];
  const errors = validateNoBacksteps(hostPath.path, `${path}.path`);
  const { type } = hostPath;
  return type === undefined || hostPathTypes.includes(type)
    ? errors
    : [...errors, notSupported(`${path}.type`, type, hostPathTypes)];
}

function validateNfs({ nfs }: Volume, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!nfs?.server) errors.push(required(`${path}.server`));
  if (!nfs?.path) errors.push(required(`${path}.path`));
  if (nfs?.path?.startsWith('/') !== true) errors.push(invalidValue(`${path}.path`, nfs?.path ?? '', 'must be an absolute path'));
  return errors;
}

function validateImage({ image }: Volume, path: string, isPod: boolean): FieldError[] {
  const policies = ['Always', 'IfNotPresent', 'Never'];
  const errors: FieldError[] = isPod && !image?.reference ? [required(`${path}.reference`)] : [];
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
