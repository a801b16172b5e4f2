/** Volumes and their mounts. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isDns1123Label, isDns1123Subdomain } from '#api/names.ts';
import { compareQuantity } from '#api/quantity.ts';
import type { KeyToPath, Volume } from '#api/types.generated.ts';
import { validateClaimTemplate } from '../../kinds/core/persistentvolumeclaim/spec-validation.ts';
import { validateFileMode, validateLocalDescendingPath } from '../paths.ts';
import { requireFields, requireSecretRef, validateCsiDriverName } from '../volumes/fields.ts';
import { longPortal, validateIscsi } from '../volumes/iscsi.ts';
import {
  validateAwsElasticBlockStore,
  validateAzureDisk,
  validateFc,
  validateFlexVolume,
  validateFlocker,
  validateGcePersistentDisk,
  validateHostPath,
  validateNfs,
  validateQuobyte,
  validateStorageOs,
} from '../volumes/sources.ts';
import { validateProjected } from './projected-volume.ts';
import { validateDownwardFile, validateKeyToPath } from './volume-files.ts';

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

/** Types without an entry have nothing that could be wrong. */
const checks: Partial<Record<SourceName, SourceCheck>> = {
  emptyDir: validateEmptyDir,
  hostPath: ({ hostPath }, path) => validateHostPath(hostPath ?? {}, path),
  gitRepo: ({ gitRepo }, path) => [
    ...requireFields(gitRepo ?? {}, path, 'repository'),
    ...validateLocalDescendingPath(gitRepo?.directory ?? '', `${path}.directory`),
  ],
  gcePersistentDisk: ({ gcePersistentDisk }, path) =>
    validateGcePersistentDisk(gcePersistentDisk ?? {}, path.replace(/gcePersistentDisk$/, 'persistentDisk')),
  awsElasticBlockStore: ({ awsElasticBlockStore }, path) => validateAwsElasticBlockStore(awsElasticBlockStore ?? {}, path),
  secret: ({ secret }, path) => validateFiles(secret?.secretName, 'secretName', secret ?? {}, path),
  nfs: ({ nfs }, path) => validateNfs(nfs ?? {}, path),
  iscsi: validatePodIscsi,
  glusterfs: ({ glusterfs }, path) => requireFields(glusterfs ?? {}, path, 'endpoints', 'path'),
  flocker: ({ flocker }, path) => validateFlocker(flocker ?? {}, path),
  persistentVolumeClaim: ({ persistentVolumeClaim }, path) => requireFields(persistentVolumeClaim ?? {}, path, 'claimName'),
  rbd: ({ rbd }, path) => requireFields(rbd ?? {}, path, 'monitors', 'image'),
  cinder: ({ cinder }, path) => [
    ...requireFields(cinder ?? {}, path, 'volumeID'),
    ...requireSecretRef(cinder?.secretRef, path, 'name'),
  ],
  cephfs: ({ cephfs }, path) => requireFields(cephfs ?? {}, path, 'monitors'),
  quobyte: ({ quobyte }, path) => validateQuobyte(quobyte ?? {}, path),
  downwardAPI: ({ downwardAPI }, path) => [
    ...validateFileMode(downwardAPI?.defaultMode, `${path}.defaultMode`),
    ...(downwardAPI?.items ?? []).flatMap((file) => validateDownwardFile(file, path)),
  ],
  fc: ({ fc }, path) => validateFc(fc ?? {}, path),
  flexVolume: ({ flexVolume }, path) => validateFlexVolume(flexVolume ?? {}, path),
  configMap: ({ configMap }, path) => validateFiles(configMap?.name, 'name', configMap ?? {}, path),
  azureFile: ({ azureFile }, path) => requireFields(azureFile ?? {}, path, 'secretName', 'shareName'),
  vsphereVolume: ({ vsphereVolume }, path) => requireFields(vsphereVolume ?? {}, path, 'volumePath'),
  photonPersistentDisk: ({ photonPersistentDisk }, path) => requireFields(photonPersistentDisk ?? {}, path, 'pdID'),
  portworxVolume: ({ portworxVolume }, path) => requireFields(portworxVolume ?? {}, path, 'volumeID'),
  azureDisk: ({ azureDisk }, path) => validateAzureDisk(azureDisk ?? {}, path),
  storageos: ({ storageos }, path) => [
    ...validateStorageOs(storageos ?? {}, path),
    ...requireSecretRef(storageos?.secretRef, path, 'name'),
  ],
  projected: ({ projected }, path) => validateProjected(projected ?? {}, path),
  scaleIO: ({ scaleIO }, path) => requireFields(scaleIO ?? {}, path, 'gateway', 'system', 'volumeName'),
  csi: validateCsi,
  ephemeral: ({ ephemeral }, path) => {
    const at = `${path}.volumeClaimTemplate`;
    const template = ephemeral?.volumeClaimTemplate;
    return template === undefined ? [required(at)] : validateClaimTemplate(template, at);
  },
  image: validateImage,
};

/** With `initiatorName`, the kubelet makes an iSCSI interface named after volume and portal: 64 bytes at most. */
function validatePodIscsi({ name, iscsi }: Volume, path: string): FieldError[] {
  const errors = validateIscsi(iscsi ?? {}, path);
  const { initiatorName, targetPortal = '' } = iscsi ?? {};
  if (initiatorName === undefined || Buffer.byteLength(`${name}:${targetPortal}`) <= 64) return errors;
  return [...errors, invalidValue(path.replace(/iscsi$/, 'name'), name, longPortal)];
}

function validateCsi({ csi }: Volume, path: string): FieldError[] {
  const errors = validateCsiDriverName(csi?.driver, `${path}.driver`);
  if (csi?.nodePublishSecretRef === undefined) return errors;
  const { name } = csi.nodePublishSecretRef;
  if (!name) return [...errors, required(`${path}.nodePublishSecretRef.name`)];
  return [...errors, ...isDns1123Subdomain(name).map((text) => invalidValue(`${path}.name`, name, text))];
}

function validateEmptyDir({ emptyDir }: Volume, path: string): FieldError[] {
  const limit = emptyDir?.sizeLimit;
  if (limit === undefined || compareQuantity(limit, 0) >= 0) return [];
  return [forbiddenField(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')];
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
