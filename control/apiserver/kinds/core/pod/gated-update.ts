/**
 * A pod behind a scheduling gate may be narrowed to fewer nodes: by its node selector and its required node affinity.
 * Source: upstream `pkg/apis/core/validation/validation.go` (validateNodeSelectorMutation, validateNodeAffinityMutation); KEP-3838.
 */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue } from '#api/field-error.ts';
import { ownValue } from '#api/own-value.ts';
import type { NodeAffinity, NodeSelectorTerm, PodSpec } from '#api/types.generated.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';

/**
 * Problems of the narrowing. What may change is set back in `munged`, so that comparing it with `old` shows only forbidden
 * changes.
 */
export function allowGatedChanges(munged: PodSpec, old: PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (!semanticEqual(munged.nodeSelector, old.nodeSelector)) {
    errors.push(...validateSelector(munged.nodeSelector ?? {}, old.nodeSelector ?? {}));
    munged.nodeSelector = old.nodeSelector;
  }
  const [now, before] = [munged.affinity?.nodeAffinity, old.affinity?.nodeAffinity];
  if (semanticEqual(now, before)) return errors;
  errors.push(...validateAffinity(now, before));
  const { podAffinity, podAntiAffinity } = munged.affinity ?? {};
  const isOnlyNew = old.affinity === undefined && podAffinity === undefined && podAntiAffinity === undefined;
  munged.affinity = isOnlyNew ? undefined : { ...munged.affinity, nodeAffinity: before };
  return errors;
}

function validateSelector(now: Readonly<Record<string, string>>, before: Readonly<Record<string, string>>): FieldError[] {
  const isKept = Object.entries(before).every(([key, value]) => ownValue(now, key) === value);
  const text = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
  return isKept ? [] : [invalidValue('spec.nodeSelector', now, text)];
}

function validateAffinity(now: NodeAffinity | undefined, before: NodeAffinity | undefined): FieldError[] {
  const required = before?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return [];
  const olds = required.nodeSelectorTerms ?? [];
  const news = now?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const path = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  if (olds.length > 0 && olds.length !== news.length) {
    const shown = news.length === 0 ? null : news.map(shownTerm);
    return [invalidValue(path, shown, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed')];
  }
  return olds.flatMap((old, index) => {
    const term = news[index] ?? {};
    return onlyAdds(term, old)
      ? []
      : [invalidValue(`${path}[${index}]`, shownTerm(term), 'only additions are allowed (no mutations or deletions)')];
  });
}

/** Whether the new term only adds requirements. A term without requirements matches nothing, so adding one would widen it. */
function onlyAdds(now: NodeSelectorTerm, old: NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  const sizeOf = (term: NodeSelectorTerm): number => lists.reduce((sum, list) => sum + (term[list] ?? []).length, 0);
  if (sizeOf(old) === 0 && sizeOf(now) > 0) return false;
  return lists.every((list) => {
    const before = old[list] ?? [];
    return semanticEqual((now[list] ?? []).slice(0, before.length), before);
  });
}

/** The term as Go prints the internal type. */
function shownTerm({ matchExpressions, matchFields }: NodeSelectorTerm): object {
  const shown = (list: NodeSelectorTerm['matchFields']): object[] | null =>
    list?.map(({ key, operator, values }) => ({ Key: key, Operator: operator, Values: values ?? null })) ?? null;
  return { MatchExpressions: shown(matchExpressions), MatchFields: shown(matchFields) };
}
