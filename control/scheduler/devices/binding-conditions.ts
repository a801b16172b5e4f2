/** Devices that have to be prepared before a pod is bound: whether they are, and whether that takes too long. Pure. Source: KEP-5007. */
import type { DeviceRequestAllocationResult, DraResourceClaim } from '#api/types.generated.ts';

/** Whether the devices of a claim are prepared. `failed`: a driver says that they never will be. */
export type Readiness = { kind: 'ready' } | { kind: 'waiting' } | { kind: 'failed'; message: string };

const resultsOf = ({ status }: DraResourceClaim): readonly DeviceRequestAllocationResult[] =>
  status?.allocation?.devices?.results ?? [];

/** Whether some device of the claim has to be prepared. */
export const hasBindingConditions = (claim: DraResourceClaim): boolean =>
  resultsOf(claim).some(({ bindingConditions = [] }) => bindingConditions.length > 0);

/** Whether the claim's devices are prepared. */
export function readinessOf(claim: DraResourceClaim): Readiness {
  for (const { driver, pool, device, bindingConditions = [], bindingFailureConditions = [] } of resultsOf(claim)) {
    if (bindingConditions.length === 0) continue;
    const status = claim.status?.devices?.find((one) => one.driver === driver && one.pool === pool && one.device === device);
    const conditions = status?.conditions ?? [];
    const isTrue = (wanted: string) => conditions.find(({ type, status: value }) => type === wanted && value === 'True');
    for (const failure of bindingFailureConditions) {
      const found = isTrue(failure);
      if (found !== undefined)
        return {
          kind: 'failed',
          message: `device binding failed: claim=${claim.metadata.name}, reason=${found.reason}, message=${JSON.stringify(found.message)}`,
        };
    }
    if (!bindingConditions.every((condition) => isTrue(condition) !== undefined)) return { kind: 'waiting' };
  }
  return { kind: 'ready' };
}

/** Whether the devices should have been prepared by now. */
export function isOverdue(claim: DraResourceClaim, nowMs: number, timeoutMs: number): boolean {
  const { allocationTimestamp } = claim.status?.allocation ?? {};
  if (allocationTimestamp === undefined || !hasBindingConditions(claim)) return false;
  return Date.parse(allocationTimestamp) + timeoutMs < nowMs;
}
