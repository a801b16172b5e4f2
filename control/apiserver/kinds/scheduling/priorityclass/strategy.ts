/** PriorityClasses. Source: upstream `pkg/registry/scheduling/priorityclass/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { priorityClassColumns } from './columns.ts';
import { validatePriorityClass, validatePriorityClassUpdate } from './validation.ts';

/** `value` and `preemptionPolicy` are immutable. As in upstream, there is never a generation. */
export const priorityClassKind = defineKind({
  resource: 'priorityclasses.scheduling.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  // Upstream sets generation 1 on creation, and no update increases it.
  generation: () => undefined,
  validate: (object, old) => (old === undefined ? validatePriorityClass(object) : []),
  validateUpdate: validatePriorityClassUpdate,
  immutable: ['preemptionPolicy'],
  columns: priorityClassColumns,
});
