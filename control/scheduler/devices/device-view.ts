/** What plugins see of devices and the claims for them. */
import { claimNameOf, claimOwnerProblem, unnamedClaimText } from '#api/dra/pod-claims.ts';
import type { AllocationResult, DraResourceClaim, Pod } from '#api/types.generated.ts';
import type { DeviceSupply } from './allocator.ts';
import { SliceIndex } from './device-pools.ts';

/** Claims and devices, as the scheduler knows them now. */
export interface DeviceView {
  /** With what the scheduler has written and the API does not show yet. */
  claim(namespace: string, name: string): DraResourceClaim | undefined;
  /** Whether an allocation of the claim was chosen, and is being written. */
  isPending(claim: DraResourceClaim): boolean;
  supply(): DeviceSupply;
  /** How the claims of pods were filtered, by the pod as it was then. */
  readonly attempts: WeakMap<Pod, ClaimsAttempt>;
  nowMs(): number;
  newId(): string;
}

/** What the filter has found out about the claims of one pod. */
export interface ClaimsAttempt {
  readonly claims: readonly DraResourceClaim[];
  /** Those of the claims that are not allocated yet. */
  readonly toAllocate: readonly DraResourceClaim[];
  /** Their allocations on each node that fits, in the same order. */
  readonly allocations: Map<string, readonly AllocationResult[]>;
  /** Claims whose allocation was no use on some node. */
  readonly unavailable: Set<DraResourceClaim>;
}

/** No devices at all. */
export const noDevices: DeviceView = {
  claim: () => undefined,
  isPending: () => false,
  supply: () => ({
    slices: new SliceIndex([]),
    state: { devices: new Set(), shared: new Map() },
    deviceClass: () => undefined,
  }),
  attempts: new WeakMap(),
  nowMs: () => 0,
  newId: () => '',
};

/** The claims of a pod, in order; or why they cannot be used on any node, in upstream's words. */
export function claimsOfPod(pod: Pod, view: Pick<DeviceView, 'claim'>): { claims: DraResourceClaim[] } | { problem: string } {
  const { namespace = '' } = pod.metadata;
  const claims: DraResourceClaim[] = [];
  for (const entry of pod.spec.resourceClaims ?? []) {
    const named = claimNameOf(pod, entry);
    if (named.kind === 'unneeded') continue;
    if (named.kind !== 'named') return { problem: unnamedClaimText(pod, entry, named.kind) };
    const claim = view.claim(namespace, named.name);
    if (claim === undefined) return { problem: `could not find ResourceClaim ${JSON.stringify(`${namespace}/${named.name}`)}` };
    if (claim.metadata.deletionTimestamp !== undefined)
      return { problem: `resourceclaim ${JSON.stringify(claim.metadata.name)} is being deleted` };
    const problem = named.isOwned ? claimOwnerProblem(pod, claim) : undefined;
    if (problem !== undefined) return { problem };
    claims.push(claim);
  }
  return { claims };
}
