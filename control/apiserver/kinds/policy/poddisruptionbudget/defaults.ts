/**
 * Defaults of a PodDisruptionBudget: only what upstream's conversion does to the selector.
 *
 * Source: upstream `pkg/apis/policy/v1/conversion.go`, `pkg/apis/policy/helper.go`.
 */
import type { LabelSelector, LabelSelectorRequirement, PodDisruptionBudget } from '#api/types.generated.ts';

/** A label in selectors of policy/v1beta1 objects, where an empty selector selected no pods. It marks "all" and "none". */
const emptySelectorLabel = 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match';

/** Sets the defaults of a PodDisruptionBudget, in place. */
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

/** Whether the selector is the marked form of v1beta1's empty selector, which is kept unchanged. */
function selectsNothing({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  const [only] = matchExpressions;
  const isAlone = Object.keys(matchLabels).length === 0 && matchExpressions.length === 1;
  return isAlone && only?.key === emptySelectorLabel && only.operator === 'Exists' && (only.values ?? []).length === 0;
}

/** Removes the mark from a selector with the user's own requirements. */
function stripMark(selector: LabelSelector, expressions: readonly LabelSelectorRequirement[]): void {
  const kept = expressions.filter(({ key }) => key !== emptySelectorLabel);
  if (kept.length === expressions.length) return;
  if (kept.length === 0) delete selector.matchExpressions;
  else selector.matchExpressions = kept;
}
