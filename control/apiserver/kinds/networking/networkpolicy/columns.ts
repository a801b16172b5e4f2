/** Columns of NetworkPolicies. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { NetworkPolicy } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn, selectorText } from '../../columns.ts';

/** The table of NetworkPolicies: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const networkPolicyColumns: TableColumns<NetworkPolicy> = {
  columns: [nameColumn, column('Pod-Selector', 'The pods that the policy is for.'), ageColumn],
  cells: (policy, nowMs) => [policy.metadata.name, selectorText(policy.spec.podSelector) || '<none>', ageOf(policy, nowMs)],
};
