/** ControllerRevisions. Source: upstream `pkg/registry/apps/controllerrevision/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { controllerRevisionColumns } from './columns.ts';
import { validateControllerRevision } from './validation.ts';

/**
 * The pod template of a DaemonSet or StatefulSet at one time. `data` never changes, so that a rollback finds exactly what was
 * there.
 */
export const controllerRevisionKind = defineKind({
  resource: 'controllerrevisions.apps',
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  validate: validateControllerRevision,
  immutable: ['data'],
  columns: controllerRevisionColumns,
});
