/** Columns of PersistentVolumeClaims. Source: upstream `pkg/printers/internalversion/printers.go`. */
import { ownValue } from '#api/own-value.ts';
import { canonicalQuantity } from '#api/quantity.ts';
import { storageClassName } from '#api/storage/claim-classes.ts';
import type { PersistentVolumeClaim } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn, wide } from '../../columns.ts';
import { accessModesText } from './access-modes.ts';

/**
 * The table of PersistentVolumeClaims: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const persistentVolumeClaimColumns: TableColumns<PersistentVolumeClaim> = {
  columns: [
    nameColumn,
    column('Status', 'Whether the claim has its volume.'),
    column('Volume', 'The name of the volume that the claim has.'),
    column('Capacity', 'The size of the volume.'),
    column('Access Modes', 'How the volume may be mounted.'),
    column('StorageClass', 'The storage class of the claim.'),
    column('VolumeAttributesClass', 'The class of volume attributes of the claim.'),
    ageColumn,
    wide('VolumeMode', 'Whether the volume has a file system or is a raw block device.'),
  ],
  cells(object, nowMs) {
    const { metadata, spec, status = {} } = object;
    const isBound = (spec.volumeName ?? '') !== '';
    return [
      metadata.name,
      metadata.deletionTimestamp === undefined ? (status.phase ?? '') : 'Terminating',
      spec.volumeName ?? '',
      isBound ? canonicalQuantity(ownValue(status.capacity ?? {}, 'storage') ?? '0') : '',
      isBound ? accessModesText(status.accessModes) : '',
      storageClassName(object) ?? '',
      spec.volumeAttributesClassName ?? '<unset>',
      ageOf(object, nowMs),
      spec.volumeMode ?? '<unset>',
    ];
  },
};
