/** Columns of StorageClasses. Source: upstream `pkg/printers/internalversion/printers.go`. */

import { isDefaultClass } from '#api/storage/default-class.ts';
import type { StorageClass } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of StorageClasses: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const storageClassColumns: TableColumns<StorageClass> = {
  columns: [
    nameColumn,
    column('Provisioner', 'The driver that makes the volumes.'),
    column('ReclaimPolicy', 'What happens to a volume when its claim is gone.'),
    column('VolumeBindingMode', 'When a volume is made or chosen: at once, or for the first pod that uses the claim.'),
    column('AllowVolumeExpansion', 'Whether claims may grow.'),
    ageColumn,
  ],
  cells: (object, nowMs) => [
    isDefaultClass(object) ? `${object.metadata.name} (default)` : object.metadata.name,
    object.provisioner,
    object.reclaimPolicy ?? 'Delete',
    object.volumeBindingMode ?? 'Immediate',
    object.allowVolumeExpansion ?? false,
    ageOf(object, nowMs),
  ],
};
