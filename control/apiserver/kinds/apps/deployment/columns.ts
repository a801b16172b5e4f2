/** Columns of Deployments. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Deployment } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, containerCells, nameColumn, selectorText, templateColumns } from '../../columns.ts';

/** The table of Deployments: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const deploymentColumns: TableColumns<Deployment> = {
  columns: [
    nameColumn,
    column('Ready', 'How many pods are ready, of how many wanted.'),
    column('Up-to-date', 'How many pods are of the current template.'),
    column('Available', 'How many pods have been ready for long enough.'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (deployment, nowMs) => [
    deployment.metadata.name,
    `${deployment.status?.readyReplicas ?? 0}/${deployment.spec.replicas ?? 0}`,
    deployment.status?.updatedReplicas ?? 0,
    deployment.status?.availableReplicas ?? 0,
    ageOf(deployment, nowMs),
    ...containerCells(deployment.spec.template.spec?.containers),
    selectorText(deployment.spec.selector),
  ],
};
