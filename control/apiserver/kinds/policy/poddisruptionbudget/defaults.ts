/**
 * What every PodDisruptionBudget has. There are no defaults for absent fields, but for what upstream's conversion does to the selector.
 *
 * Source: upstream `pkg/apis/policy/v1/conversion.go`, `pkg/apis/policy/helper.go`.
 */
import type { LabelSelector, LabelSelectorRequirement, PodDisruptionBudget } from '#api/types.generated.ts';

/** Stands for "all" and "none" in selectors of policy/v1beta1, where an empty selector selected nothing. */
const emptySelectorLabel = 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match';

/** In place. */
export function setPodDisruptionBudgetDefaults(budget: PodDisruptionBudget): void {
  budget.spec ??= {};
  const { spec, status } = budget;
  if (status !== undefined) {
    status.disruptionsAllowed ??= 0;
    status.currentHealthy ??= 0;
    status.desiredHealthy ??= 0;
    status.expectedPods ??= 0;
  }
  const { selector } = spec;
  if (selector?.matchExpressions !== undefined && !selectsNothing(selector)) stripMark(selector, selector.matchExpressions);
}

/** The selector that stands for v1beta1's empty one, and is kept as it is. */
function selectsNothing({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  const [only] = matchExpressions;
  const isAlone = Object.keys(matchLabels).length === 0 && matchExpressions.length === 1;
  return isAlone && only?.key === emptySelectorLabel && only.operator === 'Exists' && (only.values ?? []).length === 0;
}

/** The mark never stands beside what a user wrote. */
function stripMark(selector: LabelSelector, expressions: readonly LabelSelectorRequirement[]): void {
  const kept = expressions.filter(({ key }) => key !== emptySelectorLabel);
  if (kept.length === expressions.length) return;
  if (kept.length === 0) delete selector.matchExpressions;
  else selector.matchExpressions = kept;
}
