/**
 * Claims, slices and classes as the API shows them, with the changes that the scheduler has decided on: a chosen device is not
 * given to another claim while the write is under way.
 *
 * Source: upstream `plugins/dynamicresources/dra_manager.go`.
 */
import { isNewerVersion, type KubeObject, keyOf } from '#api/meta.ts';
import type { AllocationResult, DeviceClass, DraResourceClaim, Pod, ResourceSlice } from '#api/types.generated.ts';
import type { Informer } from '#client/informer.ts';
import type { Informers } from '#client/informers.ts';
import type { ClusterEvent } from '../cluster-event.ts';
import type { DeviceSupply } from './allocator.ts';
import { SliceIndex } from './device-pools.ts';
import { allocatedState } from './device-state.ts';
import type { ClaimsAttempt, DeviceView } from './device-view.ts';

/** Kept current by informers from {@link subscribe} on. */
export class DeviceCache implements DeviceView {
  readonly attempts = new WeakMap<Pod, ClaimsAttempt>();
  readonly nowMs: () => number;
  readonly newId: () => string;
  readonly #claims: Informer<DraResourceClaim>;
  readonly #slices: Informer<ResourceSlice>;
  readonly #classes: Informer<DeviceClass>;
  /** As they were stored last. */
  readonly #assumed = new Map<string, DraResourceClaim>();
  /** By the UID of the claim. */
  readonly #pending = new Map<string, AllocationResult>();
  #index: SliceIndex | undefined;
  #supply: DeviceSupply | undefined;

  constructor(informers: Pick<Informers, 'informer'>, { nowMs, newId }: Pick<DeviceView, 'nowMs' | 'newId'>) {
    this.nowMs = nowMs;
    this.newId = newId;
    this.#claims = informers.informer('resourceclaims.resource.k8s.io');
    this.#slices = informers.informer('resourceslices.resource.k8s.io');
    this.#classes = informers.informer('deviceclasses.resource.k8s.io');
  }

  get informers(): readonly Informer<KubeObject>[] {
    return [this.#claims, this.#slices, this.#classes] as unknown as readonly Informer<KubeObject>[];
  }

  /** @param changed is told of what may make waiting pods schedulable @returns ends it */
  subscribe(changed: (event: ClusterEvent) => void): () => void {
    const claimChanged = (claim: DraResourceClaim, previous?: DraResourceClaim): void => {
      const assumed = this.#assumed.get(keyOf(claim));
      if (assumed !== undefined && !isNewerVersion(assumed, claim)) this.#assumed.delete(keyOf(claim));
      this.#supply = undefined;
      changed({ kind: 'resourceClaimChanged', claim, ...(previous === undefined ? {} : { previous }) });
    };
    const sliceChanged = (): void => {
      this.#index = undefined;
      this.#supply = undefined;
    };
    const stops = [
      this.#claims.subscribe({
        added: (claim) => claimChanged(claim),
        updated: (claim, previous) => claimChanged(claim, previous),
        deleted: (claim) => {
          this.#assumed.delete(keyOf(claim));
          this.#supply = undefined;
          // Its devices are free, if it had any.
          changed({ kind: 'resourceClaimChanged', claim: withoutAllocation(claim), previous: claim });
        },
      }),
      this.#slices.subscribe({
        added: () => {
          sliceChanged();
          changed({ kind: 'resourceSliceChanged', isNew: true });
        },
        updated: () => {
          sliceChanged();
          changed({ kind: 'resourceSliceChanged', isNew: false });
        },
        deleted: sliceChanged,
      }),
      this.#classes.subscribe({
        added: () => changed({ kind: 'deviceClassChanged', isNew: true }),
        updated: () => changed({ kind: 'deviceClassChanged', isNew: false }),
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  claim(namespace: string, name: string): DraResourceClaim | undefined {
    const key = `${namespace}/${name}`;
    return this.#assumed.get(key) ?? this.#claims.cache.get(key);
  }

  isPending({ metadata }: DraResourceClaim): boolean {
    return this.#pending.has(metadata.uid);
  }

  supply(): DeviceSupply {
    this.#index ??= new SliceIndex(this.#slices.cache.list());
    this.#supply ??= {
      slices: this.#index,
      state: allocatedState(this.#allocations()),
      deviceClass: (name) => this.#classes.cache.get(name),
    };
    return this.#supply;
  }

  /** The devices are taken from now on. */
  choose({ metadata }: DraResourceClaim, allocation: AllocationResult): void {
    this.#pending.set(metadata.uid, allocation);
    this.#supply = undefined;
  }

  /** The allocation that was chosen will not be written: its devices are free again. */
  giveUp({ metadata }: DraResourceClaim): void {
    if (this.#pending.delete(metadata.uid)) this.#supply = undefined;
  }

  /** Notes the claim as the API server has stored it. */
  stored(claim: DraResourceClaim): void {
    this.#pending.delete(claim.metadata.uid);
    const known = this.#claims.cache.get(keyOf(claim));
    if (known?.metadata.uid === claim.metadata.uid && isNewerVersion(claim, known)) this.#assumed.set(keyOf(claim), claim);
    this.#supply = undefined;
  }

  #allocations(): AllocationResult[] {
    const ofClaims = this.#claims.cache.list().flatMap((claim) => {
      const { status } = this.#assumed.get(keyOf(claim)) ?? claim;
      return status?.allocation ?? [];
    });
    return [...ofClaims, ...this.#pending.values()];
  }
}

function withoutAllocation(claim: DraResourceClaim): DraResourceClaim {
  const { allocation: _, ...status } = claim.status ?? {};
  return { ...claim, status };
}
