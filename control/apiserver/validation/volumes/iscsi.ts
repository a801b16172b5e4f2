/** iSCSI volumes of pods and PersistentVolumes. Source: upstream `pkg/apis/core/validation/validation.go`. */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import type { ISCSIPersistentVolumeSource, ISCSIVolumeSource } from '#api/types.generated.ts';
import type { Submitted } from '../submitted.ts';
import { requireFields, validateLun } from './fields.ts';

const shapes: readonly [prefix: string, shape: RegExp][] = [
  // Upstream's pattern has no beginning. `\s` is Go's ASCII class there.
  ['iqn', /iqn\.[0-9]{4}-[0-9]{2}\.([0-9A-Za-z\-.]+)(:[^,;*&$|\t\n\f\r ]+)$/],
  ['eui', /^eui.[0-9A-Za-z]{16}$/],
  ['naa', /^naa.[0-9A-Za-z]{32}$/],
];

/** No real name is that long (RFC 3720: 223 bytes), and the pattern tries each beginning. */
const longestTried = 4096;

/** A name of a target or an initiator. @param beginning the text where it begins with none of the three */
function validateName(name: string, path: string, beginning: string): FieldError[] {
  const known = shapes.find(([prefix]) => name.startsWith(prefix));
  if (known === undefined) return [invalidValue(path, name, beginning)];
  if (name.length <= longestTried && known[1].test(name)) return [];
  return [invalidValue(path, name, 'must be valid format')];
}

/** The text for a volume whose name and portal are too long together. */
export const longPortal =
  'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';

/** Of a pod. */
export function validateIscsi(iscsi: Submitted<ISCSIVolumeSource>, path: string): FieldError[] {
  return validateBoth(iscsi, path, 'must be valid format starting with iqn, eui, or naa', [], []);
}

/** @param volumeName the PersistentVolume's: with an initiator of its own, both are parts of the name of an interface */
export function validateIscsiPersistent(
  iscsi: Submitted<ISCSIPersistentVolumeSource>,
  path: string,
  volumeName: string,
): FieldError[] {
  const { initiatorName, targetPortal = '', secretRef } = iscsi;
  const isLong = initiatorName !== undefined && Buffer.byteLength(`${volumeName}:${targetPortal}`) > 64;
  const long = isLong ? [invalidValue(`${path}.targetportal`, targetPortal, longPortal)] : [];
  const secret = secretRef === undefined ? [] : requireFields(secretRef, `${path}.secretRef`, 'name');
  return validateBoth(iscsi, path, 'must be valid format', long, secret);
}

function validateBoth(
  iscsi: Submitted<ISCSIVolumeSource> | Submitted<ISCSIPersistentVolumeSource>,
  path: string,
  beginning: string,
  afterPortal: FieldError[],
  afterSecret: FieldError[],
): FieldError[] {
  const { iqn, lun = 0, chapAuthDiscovery, chapAuthSession, secretRef, initiatorName } = iscsi;
  const needsSecret = (chapAuthDiscovery === true || chapAuthSession === true) && secretRef === undefined;
  return [
    ...requireFields(iscsi, path, 'targetPortal'),
    ...afterPortal,
    ...(iqn ? validateName(iqn, `${path}.iqn`, beginning) : [required(`${path}.iqn`)]),
    ...validateLun(lun, `${path}.lun`),
    ...(needsSecret ? [required(`${path}.secretRef`)] : []),
    ...afterSecret,
    ...(initiatorName === undefined ? [] : validateName(initiatorName, `${path}.initiatorname`, beginning)),
  ];
}
