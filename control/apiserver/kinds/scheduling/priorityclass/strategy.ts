/** PriorityClasses. Source: upstream `pkg/registry/scheduling/priorityclass/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { priorityClassColumns } from './columns.ts';
import { validatePriorityClass, validatePriorityClassUpdate } from './validation.ts';

/** `value` and `preemptionPolicy` are immutable; the generation is always absent, as upstream's. */
export const priorityClassKind = defineKind({
  resource: 'priorityclasses.scheduling.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  // Upstream sets 1 on creation, and no update raises it: nothing that counts can change.
  generation: () => undefined,
  validate: (object, old) => (old === undefined ? validatePriorityClass(object) : []),
  validateUpdate: validatePriorityClassUpdate,
  immutable: ['preemptionPolicy'],
  columns: priorityClassColumns,
});
