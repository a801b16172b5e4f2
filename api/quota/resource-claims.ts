/**
 * ResourceClaims: their number, and the devices of each class that they may get.
 *
 * Source: upstream `pkg/quota/v1/evaluator/core/resource_claims.go`.
 */
import type { Quantity } from '../json.ts';
import { ownValue, setOwn } from '../own-value.ts';
import type { DeviceRequest, DraResourceClaim } from '../types.generated.ts';
import type { Evaluator } from './evaluator.ts';

const claimCount = 'count/resourceclaims.resource.k8s.io';
const classSuffix = '.deviceclass.resource.k8s.io/devices';
/** The maximum number of devices for a request of all devices (upstream's AllocationResultsMaxSize). */
const mostDevices = 32n;

/**
 * Quota usage of ResourceClaims: their number and their devices by class. Source: upstream
 * `pkg/quota/v1/evaluator/core/resource_claims.go`.
 */
export const resourceClaimEvaluator: Evaluator = {
  measures: (name) => name === claimCount || name.endsWith(classSuffix),
  handles: ({ subresource }) => subresource === '',
  isInScope: () => false,
  missing: () => undefined,
  usage(object) {
    // A count is an int64: two of them may be more than a number can hold.
    const devices: Record<string, bigint> = {};
    for (const request of (object as DraResourceClaim).spec?.devices?.requests ?? [])
      for (const [name, count] of devicesOf(request)) setOwn(devices, name, (ownValue(devices, name) ?? 0n) + count);
    const used: Record<string, Quantity> = { [claimCount]: '1' };
    for (const [name, count] of Object.entries(devices)) setOwn(used, `${name}${classSuffix}`, String(count));
    return used;
  },
  isReplenished: () => false,
};

/** The number of devices by class. Of alternatives, the largest counts. */
function devicesOf({ exactly, firstAvailable }: DeviceRequest): Map<string, bigint> {
  const alternatives = (firstAvailable ?? []).length > 0 ? (firstAvailable ?? []) : exactly === undefined ? [] : [exactly];
  const most = new Map<string, bigint>();
  for (const { deviceClassName, allocationMode, count = 0 } of alternatives) {
    const devices = allocationMode === 'ExactCount' ? BigInt(count) : allocationMode === 'All' ? mostDevices : 0n;
    const before = most.get(deviceClassName) ?? 0n;
    most.set(deviceClassName, devices > before ? devices : before);
  }
  return most;
}
