/** CSINodes. Source: upstream `pkg/registry/storage/csinode/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { csiNodeColumns } from './columns.ts';
import { validateCsiNode, validateCsiNodeUpdate } from './validation.ts';

/** The CSI drivers of one node, written by its kubelet. PUT must name the resourceVersion that it replaces. */
export const csiNodeKind = defineKind({
  resource: 'csinodes.storage.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  allowUnconditionalUpdate: false,
  checkedAgain: 'first',
  defaults(object) {
    object.spec ??= { drivers: [] };
  },
  validate: validateCsiNode,
  validateUpdate: validateCsiNodeUpdate,
  columns: csiNodeColumns,
});
