/** Defaults of LimitRanges. Source: upstream `pkg/apis/core/v1/defaults.go` (SetDefaults_LimitRangeItem). */
import type { Quantity } from '#api/json.ts';
import { setOwn } from '#api/own-value.ts';
import type { LimitRange } from '#api/types.generated.ts';

/**
 * For containers, a limit that the item does not name defaults to the maximum; a request defaults to the limit, else to the
 * minimum. In place.
 */
export function setLimitRangeDefaults({ spec }: LimitRange): void {
  for (const item of spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    const limits = fill({ ...item.default }, item.max);
    const requests = fill(fill({ ...item.defaultRequest }, limits), item.min);
    if (Object.keys(limits).length > 0) item.default = limits;
    if (Object.keys(requests).length > 0) item.defaultRequest = requests;
  }
}

function fill(list: Record<string, Quantity>, defaults: Record<string, Quantity> | undefined): Record<string, Quantity> {
  for (const [name, quantity] of Object.entries(defaults ?? {})) if (!Object.hasOwn(list, name)) setOwn(list, name, quantity);
  return list;
}
