/** Columns of CSIDrivers. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { CSIDriver } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of CSIDrivers: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const csiDriverColumns: TableColumns<CSIDriver> = {
  columns: [
    nameColumn,
    column('AttachRequired', 'Whether volumes are attached to nodes before they are mounted.', 'boolean'),
    column('PodInfoOnMount', 'Whether the driver is told of the pod.', 'boolean'),
    column('StorageCapacity', 'Whether pods are scheduled by the capacity that the driver reports.', 'boolean'),
    column('TokenRequests', 'The audiences of the service account tokens that the driver gets.'),
    column('RequiresRepublish', 'Whether the driver is called again from time to time.', 'boolean'),
    column('Modes', 'Whether volumes have a life of their own, or that of a pod.'),
    ageColumn,
  ],
  cells({ metadata, spec }, nowMs) {
    return [
      metadata.name,
      spec.attachRequired ?? true,
      spec.podInfoOnMount ?? false,
      spec.storageCapacity ?? false,
      spec.tokenRequests?.map(({ audience }) => audience).join(',') ?? '<unset>',
      spec.requiresRepublish ?? false,
      (spec.volumeLifecycleModes ?? []).join(',') || '<none>',
      ageOf({ metadata }, nowMs),
    ];
  },
};
