/** Columns of PersistentVolumes. Source: upstream `pkg/printers/internalversion/printers.go`. */
import { ownValue } from '#api/own-value.ts';
import { canonicalQuantity } from '#api/quantity.ts';
import { storageClassName } from '#api/storage/claim-classes.ts';
import type { PersistentVolume } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn, wide } from '../../columns.ts';
import { accessModesText } from '../persistentvolumeclaim/access-modes.ts';

/** The table of PersistentVolumes: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const persistentVolumeColumns: TableColumns<PersistentVolume> = {
  columns: [
    nameColumn,
    column('Capacity', 'The size of the volume.'),
    column('Access Modes', 'How the volume may be mounted.'),
    column('Reclaim Policy', 'What happens to the volume when its claim is gone.'),
    column('Status', 'Whether the volume is free, taken, or left by its claim.'),
    column('Claim', 'The claim that the volume belongs to.'),
    column('StorageClass', 'The storage class of the volume.'),
    column('VolumeAttributesClass', 'The class of volume attributes of the volume.'),
    column('Reason', 'A short text about a failure, for machines.'),
    ageColumn,
    wide('VolumeMode', 'Whether the volume has a file system or is a raw block device.'),
  ],
  cells(object, nowMs) {
    const { metadata, spec, status = {} } = object;
    const { claimRef } = spec;
    return [
      metadata.name,
      canonicalQuantity(ownValue(spec.capacity ?? {}, 'storage') ?? '0'),
      accessModesText(spec.accessModes),
      spec.persistentVolumeReclaimPolicy ?? '',
      metadata.deletionTimestamp === undefined ? (status.phase ?? '') : 'Terminating',
      claimRef === undefined ? '' : `${claimRef.namespace ?? ''}/${claimRef.name ?? ''}`,
      storageClassName(object) ?? '',
      spec.volumeAttributesClassName ?? '<unset>',
      status.reason ?? '',
      ageOf(object, nowMs),
      spec.volumeMode ?? '<unset>',
    ];
  },
};
