/**
 * The meaning of a PodDisruptionBudget: the pods that it selects, and the condition DisruptionAllowed. Pure.
 *
 * Source: kubernetes.io, "Specifying a Disruption Budget"; upstream `component-helpers/apps/poddisruptionbudget`.
 */
import { rfc3339 } from '../meta.ts';
import { ownValue } from '../own-value.ts';
import { type LabelMatcher, labelMatcher, SelectorError, selectNothing } from '../selector.ts';
import type { Condition, LabelSelector, PodDisruptionBudget, PodDisruptionBudgetStatus } from '../types.generated.ts';

/** The type of the condition. */
export const disruptionAllowedCondition = 'DisruptionAllowed';

const matchers = new WeakMap<LabelSelector, LabelMatcher>();

/**
 * The matcher of the budget's selector: an absent one selects no pods, an empty one all of the namespace, a malformed one none. It is kept
 * for as long as the selector is, so the budget must be one that nobody changes.
 */
export function budgetMatcher({ spec }: Pick<PodDisruptionBudget, 'spec'>): LabelMatcher {
  const selector = spec?.selector;
  if (selector === undefined) return selectNothing;
  let matcher = matchers.get(selector);
  if (matcher === undefined) matchers.set(selector, (matcher = matcherOf(selector)));
  return matcher;
}

function matcherOf(selector: LabelSelector): LabelMatcher {
  try {
    return labelMatcher(selector);
  } catch (error) {
    if (error instanceof SelectorError) return selectNothing;
    throw error;
  }
}

/** When the API server granted the eviction of the pod, as long as the controller has not seen the pod go. */
export const disruptedAt = (status: PodDisruptionBudgetStatus | undefined, podName: string): string | undefined =>
  ownValue(status?.disruptedPods, podName);

/** The condition DisruptionAllowed in the status, if any. */
export const disruptionAllowed = (status: PodDisruptionBudgetStatus | undefined): Condition | undefined =>
  status?.conditions?.find(({ type }) => type === disruptionAllowedCondition);

/** The condition for these counts. */
export const expectedCondition = ({ disruptionsAllowed = 0 }: PodDisruptionBudgetStatus): Pick<Condition, 'status' | 'reason'> =>
  disruptionsAllowed > 0 ? { status: 'True', reason: 'SufficientPods' } : { status: 'False', reason: 'InsufficientPods' };

/** The conditions with DisruptionAllowed as given. It keeps its place, and its time as long as its status stays. */
export function withDisruptionAllowed(
  status: PodDisruptionBudgetStatus,
  { status: value, reason, message }: Pick<Condition, 'status' | 'reason' | 'message'>,
  nowMs: number,
): Condition[] {
  const before = disruptionAllowed(status);
  const lastTransitionTime = before?.status === value ? before.lastTransitionTime : rfc3339(nowMs);
  const { observedGeneration } = status;
  const condition: Condition = {
    type: disruptionAllowedCondition,
    status: value,
    reason,
    message,
    lastTransitionTime,
    // A zero is absence.
    ...(observedGeneration ? { observedGeneration } : {}),
  };
  const { conditions = [] } = status;
  return before === undefined ? [...conditions, condition] : conditions.map((one) => (one === before ? condition : one));
}
