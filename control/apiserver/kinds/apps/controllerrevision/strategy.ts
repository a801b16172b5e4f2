/** ControllerRevisions. Source: upstream `pkg/registry/apps/controllerrevision/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { controllerRevisionColumns } from './columns.ts';
import { validateControllerRevision } from './validation.ts';

/** The template of a DaemonSet or StatefulSet at one time; `data` never changes, so a rollback finds what was. */
export const controllerRevisionKind = defineKind({
  resource: 'controllerrevisions.apps',
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  validate: validateControllerRevision,
  immutable: ['data'],
  columns: controllerRevisionColumns,
});
