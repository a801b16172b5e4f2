/** Columns of policies and their bindings. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { KubeObject } from '#api/meta.ts';
import type { LabelSelector, ParamKind, ParamRef } from '#api/types.generated.ts';
import type { TableColumns } from '../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../columns.ts';

type Policy = KubeObject & { spec: { paramKind?: ParamKind | undefined } };
type Binding = KubeObject & { spec: { policyName: string; paramRef?: ParamRef | undefined } };

/** The table of policies. @param what the column that counts their rules */
export const policyColumns = <T extends Policy>(
  what: { name: string; description: string },
  count: (policy: T) => number,
): TableColumns<T> => ({
  columns: [
    nameColumn,
    column(what.name, what.description, 'integer'),
    column('ParamKind', 'ParamKind specifies the kind of resources used to parameterize this policy'),
    ageColumn,
  ],
  cells: (policy, nowMs) => {
    const { paramKind } = policy.spec ?? {};
    const kind = paramKind === undefined ? '<unset>' : `${paramKind.apiVersion ?? ''}/${paramKind.kind ?? ''}`;
    return [policy.metadata.name, count(policy), kind, ageOf(policy, nowMs)];
  },
});

/** The table of bindings. */
export const policyBindingColumns: TableColumns<Binding> = {
  columns: [
    nameColumn,
    column('PolicyName', 'PolicyName indicates the policy definition which the policy binding binded to'),
    column('ParamRef', 'ParamRef indicates the param resource which sets the configuration param'),
    ageColumn,
  ],
  cells: (binding, nowMs) => [
    binding.metadata.name,
    binding.spec?.policyName ?? '',
    paramText(binding.spec?.paramRef),
    ageOf(binding, nowMs),
  ],
};

function paramText(paramRef: ParamRef | undefined): string {
  const { name = '', namespace = '', selector } = paramRef ?? {};
  // Whether the parameter is in a namespace cannot be told from here.
  if (name !== '') return `${namespace === '' ? '*' : namespace}/${name}`;
  return selector === undefined ? '<unset>' : selectorText(selector);
}

/** As Go prints a selector. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.keys(matchLabels)
    .sort()
    .map((key) => `${key}: ${matchLabels[key] ?? ''},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
