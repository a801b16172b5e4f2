/**
 * Whether an indexed Job has succeeded before all of its indexes have.
 *
 * Source: kubernetes `pkg/controller/job/success_policy.go`; KEP-3998.
 */
import type { Job } from '#api/types.generated.ts';
import { type IndexSet, overlapSize, parseIndexSet, sizeOf } from './index-set.ts';

/** The message of the condition; undefined: no rule is met. */
export function metSuccessRule({ spec }: Job, succeeded: IndexSet): string | undefined {
  if (succeeded.length === 0) return undefined;
  const { rules = [] } = spec.successPolicy ?? {};
  const index = rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeededCount !== undefined && sizeOf(succeeded) >= succeededCount;
    const needed = parseIndexSet(succeededIndexes, spec.completions ?? 0);
    if (needed.length === 0) return false;
    const met = overlapSize(needed, succeeded);
    return met === sizeOf(needed) || (succeededCount !== undefined && met >= succeededCount);
  });
  return index < 0 ? undefined : `Matched rules at index ${index}`;
}
