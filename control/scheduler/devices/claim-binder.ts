/**
 * Writes the devices that were chosen for a pod into its claims, and reserves the claims for it, before the pod is bound.
 *
 * Source: upstream `plugins/dynamicresources/dynamicresources.go` (Reserve, PreBind, Unreserve).
 */
import { claimFinalizer, isReservedFor } from '#api/dra/pod-claims.ts';
import { keyOf, rfc3339 } from '#api/meta.ts';
import { isConflict } from '#api/status.ts';
import type { AllocationResult, DraResourceClaim, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { hasBindingConditions, isOverdue, readinessOf } from './binding-conditions.ts';
import type { DeviceCache } from './device-cache.ts';

/** What a reservation needs of the scheduler's world. */
export interface ClaimBinderDeps {
  client: Client;
  clock: Clock;
  devices: DeviceCache;
  events: EventRecorder;
}

/** Claims that are kept for a pod until it is bound. */
export interface ClaimReservation {
  /** Writes allocations and reservations, and waits until the devices are prepared. @throws Error when that fails or takes too long */
  bind(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** The pod will not be bound: gives back what it has. */
  release(): Promise<void>;
}

const claimsId = 'resourceclaims.resource.k8s.io';
/** How often a write is tried again after a conflict. */
const maxTries = 5;
const pollMs = 1_000;

/** Keeps the claims of the pod, as the filter has chosen for this node. Undefined: the pod has none. @throws Error the filter has not chosen */
export function reserveClaims(pod: Pod, node: string, deps: ClaimBinderDeps): ClaimReservation | undefined {
  const attempt = deps.devices.attempts.get(pod);
  if (attempt === undefined || attempt.claims.length === 0) return undefined;
  const chosen = attempt.allocations.get(node) ?? [];
  if (chosen.length !== attempt.toAllocate.length) throw new Error('claim allocation not found for node');
  const allocations = new Map<DraResourceClaim, AllocationResult>();
  for (const [index, claim] of attempt.toAllocate.entries()) {
    const allocation = chosen[index];
    if (allocation === undefined) continue;
    allocations.set(claim, allocation);
    deps.devices.choose(claim, allocation);
  }
  return new Reservation(pod, node, attempt.claims, allocations, deps);
}

class Reservation implements ClaimReservation {
  readonly #pod: Pod;
  readonly #node: string;
  /** As they were stored last. */
  readonly #claims: DraResourceClaim[];
  readonly #allocations: ReadonlyMap<DraResourceClaim, AllocationResult>;
  readonly #deps: ClaimBinderDeps;

  constructor(
    pod: Pod,
    node: string,
    claims: readonly DraResourceClaim[],
    allocations: ReadonlyMap<DraResourceClaim, AllocationResult>,
    deps: ClaimBinderDeps,
  ) {
    this.#pod = pod;
    this.#node = node;
    this.#claims = [...claims];
    this.#allocations = allocations;
    this.#deps = deps;
  }

  async bind(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { clock, devices, events } = this.#deps;
    for (const [index, claim] of this.#claims.entries()) {
      const allocation = this.#allocations.get(claim);
      if (allocation === undefined && isReservedFor(this.#pod, claim)) continue;
      const stored = await this.#store(claim, allocation);
      devices.stored(stored);
      this.#claims[index] = stored;
    }
    if (!this.#claims.some(hasBindingConditions)) return;
    const text = `waiting for binding conditions for device on node ${this.#node}`;
    events.event(this.#pod, 'Normal', 'BindingConditionsPending', text);
    const endMs = clock.monotonic() + timeoutMs;
    while (!this.#isPrepared(timeoutMs)) {
      if (signal.aborted) throw new Error('context canceled');
      if (clock.monotonic() >= endMs) throw new Error('device binding timeout: context deadline exceeded');
      await sleep(clock, pollMs, signal);
    }
  }

  async release(): Promise<void> {
    const { client, devices } = this.#deps;
    for (const claim of this.#allocations.keys()) devices.giveUp(claim);
    for (const claim of this.#claims) {
      const { name, namespace = '', uid } = claim.metadata;
      if (claim.status?.allocation === undefined || !isReservedFor(this.#pod, claim)) continue;
      // One entry is removed, whatever others have written meanwhile.
      const reservedFor = [{ $patch: 'delete', uid: this.#pod.metadata.uid }];
      const body = { metadata: { uid }, status: { reservedFor } };
      devices.stored(
        await client.resource(claimsId).patch({ namespace, name }, { type: 'strategic', body }, { subresource: 'status' }),
      );
    }
  }

  async #store(seen: DraResourceClaim, allocation: AllocationResult | undefined): Promise<DraResourceClaim> {
    for (let tries = 1, claim = seen; ; tries++) {
      try {
        return await this.#storeOnce(claim, allocation);
      } catch (error) {
        if (!isConflict(error) || tries >= maxTries) throw error;
        const { name, namespace = '' } = seen.metadata;
        claim = await this.#deps.client.resource(claimsId).get({ namespace, name });
      }
    }
  }

  async #storeOnce(claim: DraResourceClaim, allocation: AllocationResult | undefined): Promise<DraResourceClaim> {
    const claims = this.#deps.client.resource(claimsId);
    const { metadata } = this.#pod;
    if (claim.metadata.deletionTimestamp !== undefined) throw new Error(`claim ${keyOf(claim)} got deleted in the meantime`);
    let current = claim;
    if (allocation !== undefined) {
      if (claim.status?.allocation !== undefined)
        throw new Error(`claim ${keyOf(claim)} got allocated elsewhere in the meantime`);
      const { finalizers = [] } = claim.metadata;
      // An attempt that was broken off may have written it already.
      if (!finalizers.includes(claimFinalizer))
        current = await claims.update({ ...claim, metadata: { ...claim.metadata, finalizers: [...finalizers, claimFinalizer] } });
    }
    const allocated = allocation ?? current.status?.allocation;
    if (allocated === undefined) throw new Error(`claim ${keyOf(claim)} got deallocated elsewhere in the meantime`);
    const { allocationTimestamp = rfc3339(this.#deps.clock.now()) } = allocated;
    const consumer = { resource: 'pods', name: metadata.name, uid: metadata.uid };
    return claims.updateStatus({
      ...current,
      status: {
        ...current.status,
        allocation: { ...allocated, allocationTimestamp },
        reservedFor: [...(current.status?.reservedFor ?? []), consumer],
      },
    });
  }

  /** @throws Error a driver says that it has failed, or it should have been done by now */
  #isPrepared(timeoutMs: number): boolean {
    const { devices } = this.#deps;
    for (const [index, { metadata }] of this.#claims.entries()) {
      const claim = devices.claim(metadata.namespace ?? '', metadata.name);
      if (claim === undefined) throw new Error(`could not find ResourceClaim ${JSON.stringify(keyOf({ metadata }))}`);
      this.#claims[index] = claim;
      const readiness = readinessOf(claim);
      if (readiness.kind === 'failed') throw new Error(readiness.message);
      if (readiness.kind === 'ready') continue;
      if (isOverdue(claim, devices.nowMs(), timeoutMs)) throw new Error(`device binding timeout: claim=${metadata.name}`);
      return false;
    }
    return true;
  }
}

/**
 * Gives back an allocation that no node can use, so that the next attempt may choose other devices.
 * @returns what happened, in upstream's words, and the claim without its allocation, to be written
 */
export function afterFilter(pod: Pod, devices: DeviceCache): { message: string; deallocated?: DraResourceClaim } {
  const attempt = devices.attempts.get(pod);
  if (attempt === undefined || attempt.claims.length === 0) return { message: 'no new claims to deallocate' };
  for (const claim of attempt.unavailable) {
    const { reservedFor = [] } = claim.status ?? {};
    if (reservedFor.some(({ uid }) => uid !== pod.metadata.uid)) continue;
    return { message: 'deallocation of ResourceClaim completed', deallocated: { ...claim, status: {} } };
  }
  return { message: 'still not schedulable' };
}
