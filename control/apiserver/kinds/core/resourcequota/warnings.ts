/** Warnings about ResourceQuotas. Source: upstream `pkg/registry/core/resourcequota/strategy.go` (WarningsOnCreate). */
import { ownValue } from '#api/own-value.ts';
import { canonicalQuantity, compareQuantity } from '#api/quantity.ts';
import type { ResourceQuota } from '#api/types.generated.ts';

/** Warns of a quota that allows higher requests than limits. */
export function resourceQuotaWarnings({ spec }: ResourceQuota): string[] {
  const hard = spec?.hard;
  return ['cpu', 'memory', 'storage', 'ephemeral-storage'].flatMap((name) => {
    const isOlder = (name === 'cpu' || name === 'memory') && ownValue(hard, `requests.${name}`) === undefined;
    const requestName = isOlder ? name : `requests.${name}`;
    const [request, limit] = [ownValue(hard, requestName), ownValue(hard, `limits.${name}`)];
    if (request === undefined || limit === undefined || compareQuantity(request, limit) <= 0) return [];
    const [shownRequest, shownLimit] = [canonicalQuantity(request), canonicalQuantity(limit)];
    return [`ResourceQuota ${requestName} (${shownRequest}) should be less than limits.${name} (${shownLimit})`];
  });
}
