/** Columns of Deployments, ReplicaSets and their scale. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Deployment, ReplicaSet, Scale } from '#api/types.generated.ts';
import type { TableColumns } from '../../registry/strategy.ts';
import { ageColumn, ageOf, column, containerCells, nameColumn, selectorText, wide } from './columns.ts';

const templateColumns = [
  wide('Containers', 'The names of the containers in the template.'),
  wide('Images', 'The images of the containers in the template.'),
  wide('Selector', 'Which pods belong to it.'),
];

export const deploymentTable: TableColumns<Deployment> = {
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

export const replicaSetTable: TableColumns<ReplicaSet> = {
  columns: [
    nameColumn,
    column('Desired', 'How many pods are wanted.', 'integer'),
    column('Current', 'How many pods there are.', 'integer'),
    column('Ready', 'How many pods are ready.', 'integer'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (set, nowMs) => [
    set.metadata.name,
    set.spec.replicas ?? 0,
    set.status?.replicas ?? 0,
    set.status?.readyReplicas ?? 0,
    ageOf(set, nowMs),
    ...containerCells(set.spec.template?.spec?.containers),
    selectorText(set.spec.selector) || '<none>',
  ],
};

/** For `--subresource=scale`. */
export const scaleTable: TableColumns<Scale> = {
  columns: [
    column('Name', nameColumn.description),
    column('Desired', 'How many pods are wanted.', 'integer'),
    column('Available', 'How many pods there are.', 'integer'),
    ageColumn,
  ],
  cells: (scale, nowMs) => [scale.metadata.name, scale.spec?.replicas ?? 0, scale.status?.replicas ?? 0, ageOf(scale, nowMs)],
};
