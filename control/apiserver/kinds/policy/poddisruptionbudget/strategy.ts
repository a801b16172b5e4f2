/** PodDisruptionBudgets. Source: upstream `pkg/registry/policy/poddisruptionbudget/strategy.go`. */
import { nameIsPathSegment } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { podDisruptionBudgetColumns } from './columns.ts';
import { setPodDisruptionBudgetDefaults } from './defaults.ts';
import { validatePodDisruptionBudget, validatePodDisruptionBudgetStatus } from './validation.ts';

/**
 * Has `/status`, which both the disruption controller and evictions write. PUT must name the resourceVersion that it replaces.
 */
export const podDisruptionBudgetKind = defineKind({
  resource: 'poddisruptionbudgets.policy',
  // Upstream has no name validation for this kind.
  names: nameIsPathSegment,
  defaults: setPodDisruptionBudgetDefaults,
  status: {
    initial: () => ({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
    validate: validatePodDisruptionBudgetStatus,
  },
  generation: 'spec',
  allowUnconditionalUpdate: false,
  validate: validatePodDisruptionBudget,
  columns: podDisruptionBudgetColumns,
});
