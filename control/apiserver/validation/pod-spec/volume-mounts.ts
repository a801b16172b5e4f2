/** Where containers mount volumes. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { fieldNotFound, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { Container, Volume, VolumeDevice, VolumeMount } from '#api/types.generated.ts';
import { validateLocalDescendingPath, validateNoBacksteps } from '../paths.ts';
import { type Submitted, submitted } from '../submitted.ts';

type MountingContainer = Pick<Container, 'volumeMounts' | 'volumeDevices' | 'securityContext'>;

/** `volumes` are the pod's valid volumes by name. */
export function validateVolumeMounts(
  container: MountingContainer,
  volumes: ReadonlyMap<string, Volume>,
  path: string,
): FieldError[] {
  const devices = new Map((container.volumeDevices ?? []).map(({ name, devicePath }) => [name, devicePath]));
  const devicePaths = new Set(devices.values());
  const mountPaths = new Set<string>();
  return (container.volumeMounts ?? []).flatMap((mount, index) => {
    const at = `${path}[${index}]`;
    const { name = '', mountPath = '' } = submitted(mount);
    const errors: FieldError[] = name === '' ? [required(`${at}.name`)] : [];
    if (!volumes.has(name)) errors.push(fieldNotFound(`${at}.name`, name));
    if (mountPath === '') errors.push(required(`${at}.mountPath`));
    if (mountPaths.has(mountPath)) errors.push(invalidValue(`${at}.mountPath`, mountPath, 'must be unique'));
    mountPaths.add(mountPath);
    if (devices.has(name)) errors.push(invalidValue(`${at}.name`, name, 'must not already exist in volumeDevices'));
    if (devicePaths.has(mountPath)) {
      errors.push(invalidValue(`${at}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices'));
    }
    return [
      ...errors,
      ...validateSubPath(mount, path, at),
      ...validatePropagation(mount, container, path),
      ...validateRecursive(mount, path),
    ];
  });
}

/** Upstream reports some of a mount's errors at the list, not at its element; so do we. */
function validateSubPath({ subPath, subPathExpr }: VolumeMount, listPath: string, path: string): FieldError[] {
  const errors = subPath ? validateLocalDescendingPath(subPath, `${listPath}.subPath`) : [];
  if (!subPathExpr) return errors;
  if (subPath) errors.push(invalidValue(`${path}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
  return [...errors, ...validateLocalDescendingPath(subPathExpr, `${listPath}.subPathExpr`)];
}

function validatePropagation(
  { mountPropagation: mode }: VolumeMount,
  container: MountingContainer,
  listPath: string,
): FieldError[] {
  if (mode === undefined) return [];
  const path = `${listPath}.mountPropagation`;
  const supported = ['Bidirectional', 'HostToContainer', 'None'];
  const errors: FieldError[] = supported.includes(mode) ? [] : [notSupported(path, mode, supported)];
  if (mode === 'Bidirectional' && container.securityContext?.privileged !== true) {
    errors.push(forbiddenField(path, 'Bidirectional mount propagation is available only to privileged containers'));
  }
  return errors;
}

function validateRecursive({ recursiveReadOnly: mode, readOnly, mountPropagation }: VolumeMount, listPath: string): FieldError[] {
  if (mode === undefined || mode === 'Disabled') return [];
  const path = `${listPath}.recursiveReadOnly`;
  if (mode !== 'Enabled' && mode !== 'IfPossible') return [notSupported(path, mode, ['Disabled', 'Enabled', 'IfPossible'])];
  const errors: FieldError[] = readOnly === true ? [] : [forbiddenField(path, 'may only be specified when readOnly is true')];
  if (mountPropagation !== undefined && mountPropagation !== 'None') {
    errors.push(forbiddenField(path, 'may only be specified when mountPropagation is None or not specified'));
  }
  return errors;
}

/**
 * Problems of `volumeDevices`: only claims, and no path that a mount has, too. Source: upstream `pkg/apis/core/validation`
 * (ValidateVolumeDevices).
 */
export function validateVolumeDevices(
  container: MountingContainer,
  volumes: ReadonlyMap<string, Volume>,
  path: string,
): FieldError[] {
  const mounts = new Map((container.volumeMounts ?? []).map(({ name, mountPath }) => [name, mountPath]));
  const mountPaths = new Set(mounts.values());
  const [names, paths] = [new Set<string>(), new Set<string>()];
  return (container.volumeDevices ?? []).flatMap((device, index) =>
    validateDevice(device, volumes, mounts, mountPaths, names, paths, `${path}[${index}]`, path),
  );
}

function validateDevice(
  { name = '', devicePath = '' }: Submitted<VolumeDevice>,
  volumes: ReadonlyMap<string, Volume>,
  mounts: ReadonlyMap<string, string>,
  mountPaths: ReadonlySet<string>,
  names: Set<string>,
  paths: Set<string>,
  path: string,
  listPath: string,
): FieldError[] {
  const errors: FieldError[] = name === '' ? [required(`${path}.name`)] : [];
  const volume = volumes.get(name);
  if (names.has(name)) errors.push(invalidValue(`${path}.name`, name, 'must be unique'));
  if (volume === undefined) errors.push(fieldNotFound(`${path}.name`, name));
  else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
    errors.push(
      invalidValue(`${path}.name`, name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'),
    );
  }
  if (devicePath === '') errors.push(required(`${path}.devicePath`));
  if (paths.has(devicePath)) errors.push(invalidValue(`${path}.devicePath`, devicePath, 'must be unique'));
  if (devicePath !== '' && validateNoBacksteps(devicePath, listPath).length > 0) {
    errors.push(invalidValue(`${path}.devicePath`, devicePath, "can not contain backsteps ('..')"));
  } else paths.add(devicePath);
  if (mounts.has(name)) errors.push(invalidValue(`${path}.name`, name, 'must not already exist in volumeMounts'));
  if (mountPaths.has(devicePath)) {
    errors.push(invalidValue(`${path}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'));
  }
  if (name !== '') names.add(name);
  return errors;
}
