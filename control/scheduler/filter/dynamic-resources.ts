/**
 * Rejects nodes where the pod's resource claims cannot be used: whose allocation is bound to other nodes, or where no devices are left for
 * them. Source: upstream `plugins/dynamicresources`; KEP-4381.
 */
import { keyOf } from '#api/meta.ts';
import { type NodeMatcher, nodeSelector } from '#api/pod/node-selector.ts';
import type { DraResourceClaim } from '#api/types.generated.ts';
import { AllocationError } from '../devices/allocation-error.ts';
import { type Allocation, allocate, type DeviceSupply } from '../devices/allocator.ts';
import { isOverdue, readinessOf } from '../devices/binding-conditions.ts';
import { type ClaimsAttempt, claimsOfPod, type DeviceView } from '../devices/device-view.ts';
import { type Filtering, type FilterPlugin, rejectionOf, skip } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';

const name = 'DynamicResources';
const refuse = (reason: string): Filtering => ({ kind: 'refuse', rejection: rejectionOf(name, false, reason) });
const unavailable = rejectionOf(name, false, 'resourceclaim not available on the node');
const cannotAllocate = rejectionOf(name, false, 'cannot allocate all claims');

/** The filter DynamicResources. @param bindingTimeoutMs how long the preparation of a device may take */
export const dynamicResourcesFilter = (bindingTimeoutMs: number): FilterPlugin => ({
  name,
  prepare(pod, { devices }) {
    if ((pod.spec.resourceClaims ?? []).length === 0) return skip;
    devices.attempts.delete(pod);
    const found = claimsOfPod(pod, devices);
    if ('problem' in found) return refuse(found.problem);
    const { claims } = found;
    if (claims.length === 0) return skip;
    const supply = devices.supply();
    const toAllocate = claims.filter(({ status }) => status?.allocation === undefined);
    for (const claim of toAllocate) {
      const problem = problemOf(claim, devices, supply);
      if (problem !== undefined) return refuse(problem);
    }
    const attempt: ClaimsAttempt = { claims, toAllocate, allocations: new Map(), unavailable: new Set() };
    devices.attempts.set(pod, attempt);
    const reachable = claims.map(matcherOf);
    return {
      kind: 'check',
      check(info) {
        const away = claims.filter((claim, index) => {
          if (reachable[index]?.(info) === false) return true;
          if (claim.status?.allocation === undefined) return false;
          const { kind } = readinessOf(claim);
          return kind === 'failed' || (kind === 'waiting' && isOverdue(claim, devices.nowMs(), bindingTimeoutMs));
        });
        for (const claim of away) attempt.unavailable.add(claim);
        if (away.length > 0) return unavailable;
        if (toAllocate.length === 0) return undefined;
        const allocation = allocated(attempt, info, supply, devices);
        if (allocation.kind === 'allocated') {
          attempt.allocations.set(info.name, allocation.results);
          return undefined;
        }
        if (allocation.kind === 'tooHard') throw failure(`node ${info.name}: timed out trying to allocate devices`);
        return allocation.reason === undefined ? cannotAllocate : rejectionOf(name, false, allocation.reason);
      },
    };
  },
});

const failure = (text: string, cause?: unknown): Error =>
  new Error(`running ${JSON.stringify(name)} filter plugin: ${text}`, { cause });

/** @throws Error the claim or its class cannot be used: the attempt ends with it */
function allocated({ toAllocate }: ClaimsAttempt, info: NodeInfo, supply: DeviceSupply, { newId }: DeviceView): Allocation {
  try {
    return allocate(toAllocate, info, supply, newId);
  } catch (error) {
    if (error instanceof AllocationError) throw failure(error.message, error);
    throw error;
  }
}

function matcherOf({ status }: DraResourceClaim): NodeMatcher | undefined {
  const selector = status?.allocation?.nodeSelector;
  return selector === undefined ? undefined : nodeSelector(selector);
}

/** Why a claim cannot be allocated on any node now. */
function problemOf(claim: DraResourceClaim, devices: DeviceView, { deviceClass }: DeviceSupply): string | undefined {
  if (devices.isPending(claim)) return `resource claim ${keyOf(claim)} is in the process of being allocated`;
  for (const { name: request, exactly, firstAvailable = [] } of claim.spec.devices?.requests ?? []) {
    if (exactly === undefined && firstAvailable.length === 0)
      return `resource claim ${keyOf(claim)}, request ${request}: unknown request type`;
    const asked =
      exactly === undefined
        ? firstAvailable.map((one) => [`${request}/${one.name}`, one] as const)
        : [[request, exactly] as const];
    for (const [reference, { deviceClassName }] of asked)
      if (deviceClassName !== '' && deviceClass(deviceClassName) === undefined)
        return `request ${reference}: device class ${deviceClassName} does not exist`;
  }
  return undefined;
}
