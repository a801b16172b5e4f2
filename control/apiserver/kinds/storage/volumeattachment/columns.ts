/** Columns of VolumeAttachments. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { VolumeAttachment } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of VolumeAttachments: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const volumeAttachmentColumns: TableColumns<VolumeAttachment> = {
  columns: [
    nameColumn,
    { ...column('Attacher', 'The driver that attaches the volume.'), format: 'name' },
    column('PV', 'The volume that is attached.'),
    column('Node', 'The node that it is attached to.'),
    column('Attached', 'Whether the driver has attached it.', 'boolean'),
    ageColumn,
  ],
  cells: (object, nowMs) => [
    object.metadata.name,
    object.spec.attacher,
    object.spec.source?.persistentVolumeName ?? '',
    object.spec.nodeName,
    object.status?.attached ?? false,
    ageOf(object, nowMs),
  ],
};
