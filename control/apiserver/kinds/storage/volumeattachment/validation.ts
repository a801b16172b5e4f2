/** VolumeAttachments. Source: upstream `pkg/apis/storage/validation/validation.go`. */
import { type FieldError, forbiddenField, invalidValue, required, tooLong } from '#api/field-error.ts';
import { inclusiveRangeText, nameIsDnsSubdomain } from '#api/names.ts';
import type { VolumeAttachment, VolumeAttachmentSource, VolumeAttachmentSpec, VolumeError } from '#api/types.generated.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { type Submitted, submitted } from '../../../validation/submitted.ts';
import { validateCsiDriverName } from '../../../validation/volumes/fields.ts';
import { validateVolumeSpec } from '../../core/persistentvolume/validation.ts';

const maxMetadataBytes = 256 * 1024;
const maxMessageBytes = 1024;
const maxInt32 = 2 ** 31 - 1;

/** Validates attacher, source, node name and status. Source: upstream `pkg/apis/storage/validation` (ValidateVolumeAttachment). */
export function validateAttachment({ spec, status }: VolumeAttachment): FieldError[] {
  const { attacher, nodeName = '', source = {} } = submitted(spec);
  const volume = source.persistentVolumeName;
  return [
    ...validateCsiDriverName(attacher, 'spec.attacher'),
    ...validateSource(source, 'spec.source'),
    ...nameIsDnsSubdomain(nodeName, false).map((text) => invalidValue('spec.nodeName', nodeName, text)),
    ...validateMetadata(status?.attachmentMetadata ?? {}, 'status.attachmentMetadata'),
    ...validateVolumeError(status?.attachError, 'status.attachError'),
    ...validateVolumeError(status?.detachError, 'status.detachError'),
    ...(volume === undefined
      ? []
      : nameIsDnsSubdomain(volume, false).map((text) => invalidValue('spec.source.persistentVolumeName', volume, text))),
  ];
}

function validateSource(source: Submitted<VolumeAttachmentSource>, path: string): FieldError[] {
  const { inlineVolumeSpec: inline, persistentVolumeName: name } = source;
  const text = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (inline === undefined) {
    if (name === undefined) return [required(path, text)];
    return name === '' ? [required(`${path}.persistentVolumeName`, 'must specify non empty persistentVolumeName')] : [];
  }
  if (name !== undefined) return [forbiddenField(path, text)];
  return validateVolumeSpec(inline, { path: `${path}.inlineVolumeSpec`, name: '', inline: true });
}

function validateMetadata(metadata: Record<string, string>, path: string): FieldError[] {
  const bytes = Object.entries(metadata).reduce((sum, [key, value]) => sum + Buffer.byteLength(key + value), 0);
  return bytes > maxMetadataBytes ? [tooLong(path, maxMetadataBytes)] : [];
}

/** Validates an error in the status. As in upstream, the message of a "too long" error names the limit of the metadata. */
function validateVolumeError(error: VolumeError | undefined, path: string): FieldError[] {
  const { message = '', errorCode = 0 } = error ?? {};
  return [
    ...(Buffer.byteLength(message) > maxMessageBytes ? [tooLong(`${path}.message`, maxMetadataBytes)] : []),
    ...(errorCode < 0 ? [invalidValue(`${path}.errorCode`, errorCode, inclusiveRangeText(0, maxInt32))] : []),
  ];
}

/** The spec is immutable: an attachment is of one volume to one node. */
export function validateSpecKept({ spec }: VolumeAttachment, { spec: old }: VolumeAttachment): FieldError[] {
  return semanticEqual(spec, old) ? [] : [invalidValue('spec', goSpec(spec), 'field is immutable')];
}

/** The spec as Go's internal types print it. Fields of an inline volume have their wire names. */
function goSpec({ attacher, nodeName, source }: Submitted<VolumeAttachmentSpec>): object {
  const { persistentVolumeName = null, inlineVolumeSpec = null } = source ?? {};
  const shown = { PersistentVolumeName: persistentVolumeName, InlineVolumeSpec: inlineVolumeSpec };
  return { Attacher: attacher ?? '', Source: shown, NodeName: nodeName ?? '' };
}
