/** Columns of ControllerRevisions. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ControllerRevision } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/**
 * The table of ControllerRevisions: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const controllerRevisionColumns: TableColumns<ControllerRevision> = {
  columns: [
    nameColumn,
    column('Controller', 'Whose history this is a part of.'),
    column('Revision', 'Its place in the history.'),
    ageColumn,
  ],
  cells: (object, nowMs) => [object.metadata.name, controllerText(object), object.revision, ageOf(object, nowMs)],
};

/** `daemonset.apps/web` */
function controllerText({ metadata: { ownerReferences = [] } }: ControllerRevision): string {
  const owner = ownerReferences.find(({ controller }) => controller === true);
  if (owner === undefined) return '<none>';
  const [group = ''] = owner.apiVersion.includes('/') ? owner.apiVersion.split('/') : [];
  return `${owner.kind}${group === '' ? '' : `.${group}`}`.toLowerCase() + `/${owner.name}`;
}
