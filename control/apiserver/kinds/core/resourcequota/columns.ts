/** Columns of ResourceQuotas. Source: upstream `pkg/printers/internalversion/printers.go` (printResourceQuota). */
import { ownValue } from '#api/own-value.ts';
import { canonicalQuantity } from '#api/quantity.ts';
import type { ResourceQuota } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

/** The table of ResourceQuotas: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const resourceQuotaColumns: TableColumns<ResourceQuota> = {
  columns: [
    nameColumn,
    column('Request', 'What is used and what is allowed of requests and of objects.'),
    column('Limit', 'What is used and what is allowed of limits.'),
    ageColumn,
  ],
  cells: (quota, nowMs) => {
    const isLimit = (name: string): boolean => name.startsWith('limits.');
    return [quota.metadata.name, usesText(quota, (name) => !isLimit(name)), usesText(quota, isLimit), ageOf(quota, nowMs)];
  },
};

/** `pods: 1/3, requests.cpu: 100m/1`. */
function usesText({ status }: ResourceQuota, isShown: (name: string) => boolean): string {
  const names = Object.keys(status?.hard ?? {})
    .filter(isShown)
    .sort();
  const text = (name: string): string =>
    `${canonicalQuantity(ownValue(status?.used, name) ?? 0)}/${canonicalQuantity(ownValue(status?.hard, name) ?? 0)}`;
  return names.map((name) => `${name}: ${text(name)}`).join(', ');
}
