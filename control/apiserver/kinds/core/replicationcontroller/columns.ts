/** Columns of ReplicationControllers. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ReplicationController } from '#api/types.generated.ts';
import { labelsText, replicaColumns } from '../../columns.ts';

/**
 * The table of ReplicationControllers: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const replicationControllerColumns = replicaColumns<ReplicationController>(({ spec }) => labelsText(spec.selector));
