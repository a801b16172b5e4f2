/**
 * PersistentVolume binder: binds claims to volumes, requests the provisioning of missing volumes, and carries out the reclaim policy of
 * volumes whose claim is gone.
 *
 * Owns: `claimRef` of volumes, `volumeName` of claims and their annotations, the phase of both; recycler pods.
 * Watches: PersistentVolume, PersistentVolumeClaim, Pod, StorageClass.  Writes: PersistentVolume, PersistentVolumeClaim, Pod.
 * A key with a namespace is a claim, one without is a volume. The volume is written first, so that a crash between leaves nothing that a second claim could take.
 * Source: kubernetes.io, Persistent Volumes; kubernetes `pkg/controller/volume/persistentvolume`.
 */
import { errorText } from '#api/error-text.ts';
import { keyOf } from '#api/meta.ts';
import {
  annotation,
  betaProvisionerAnnotation,
  boundVolume,
  claimKeyOf,
  provisionerAnnotation,
  withAnnotations,
} from '#api/storage/binding.ts';
import { defaultClass } from '#api/storage/default-class.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { reads } from '#client/controller-runner.ts';
import { leftOut, unreadable } from '#client/left-out.ts';
import { liveObject } from '../live-object.ts';
import { type ClaimEvent, type ClaimPlan, type ClaimSurroundings, planClaim } from './claim-plan.ts';
import { boundClaim, claimWithoutVolume, claimWithVolume } from './claim-status.ts';
import { Reclaimer } from './reclaimer.ts';
import { recycledVolume } from './recycler.ts';
import { StorageState } from './storage-state.ts';
import { migratedClaim, migratedVolume, planVolume, unboundVolume } from './volume-plan.ts';
import { csiDriverOf } from './volume-plugins.ts';
import { WaitingClaims } from './waiting-claims.ts';

/** Upstream's `--pvclaimbinder-sync-period`. */
const resyncMs = 15_000;

/**
 * How often the same event about a claim is repeated. Upstream sends it at every resync, of which its filter lets one in five
 * minutes through: with thousands of waiting claims that would be thousands of writes.
 */
const retellMs = 300_000;

/** Makes the PersistentVolume binder. */
export function persistentVolumeBinder(deps: ControllerDeps): Controller {
  const binder = new Binder(deps);
  return {
    name: 'persistentvolume-binder-controller',
    resyncMs,
    concurrency: 10,
    watches: [
      { resource: 'persistentvolumes', keys: (volume) => binder.volumeChanged(volume) },
      { resource: 'persistentvolumeclaims', keys: (claim) => binder.claimChanged(claim) },
      {
        resource: 'pods',
        keys: (pod, previous) => {
          binder.state.podChanged(pod, previous);
          const volume = recycledVolume(pod);
          return volume === undefined ? [] : [volume];
        },
      },
      reads('storageclasses.storage.k8s.io'),
    ],
    async reconcile(key) {
      if (key.includes('/')) await binder.syncClaim(key);
      else await binder.syncVolume(key);
      return done;
    },
  };
}

class Binder {
  readonly state: StorageState;
  readonly #deps: ControllerDeps;
  readonly #reclaimer: Reclaimer;
  readonly #waiting = new WaitingClaims();
  readonly #around: ClaimSurroundings;
  readonly #unusable = new Map<string, string>();
  /** The last event of each claim, and its time. */
  readonly #told = new Map<string, { text: string; atMs: number }>();

  constructor(deps: ControllerDeps) {
    const { caches } = deps;
    this.#deps = deps;
    this.state = new StorageState(caches, (volume, error) => this.#leaveOut(volume, error));
    const write = {
      phase: (volume: PersistentVolume, phase: string, message?: string) => this.#writePhase(volume, phase, message),
      unbind: (volume: PersistentVolume) => this.#unbind(volume),
    };
    this.#reclaimer = new Reclaimer(deps, this.state, write);
    this.#around = {
      volume: (name) => this.state.volume(name),
      find: (claim, options) => this.state.find(claim, options),
      storageClass: (name) => caches.cache('storageclasses.storage.k8s.io').get(name),
      defaultClass: () => defaultClass(caches.cache('storageclasses.storage.k8s.io').list()),
      unscheduledPods: (claim) =>
        this.state
          .pods(keyOf(claim))
          .filter(({ spec }) => !spec.nodeName)
          .map(({ metadata }) => metadata.name),
    };
  }

  /** The keys that a change of the volume concerns: its own, its claim's, and those of claims that may have waited for it. */
  volumeChanged(volume: PersistentVolume): string[] {
    const { name } = volume.metadata;
    this.state.volumeChanged(name);
    if (this.state.volume(name) === undefined) this.#forget(name);
    const claim = claimKeyOf(volume);
    if (claim !== undefined) return [name, claim];
    return [name, ...(volume.status?.phase === 'Available' ? this.#waiting.take(volume) : [])];
  }

  claimChanged(claim: PersistentVolumeClaim): string[] {
    const key = keyOf(claim);
    const isGone = this.state.claim(key) === undefined;
    if (isGone) this.#forgetClaim(key);
    const volumeName = claim.spec?.volumeName ?? '';
    // Queue the volume too. Otherwise it would be released only at the next resync.
    return isGone && volumeName !== '' ? [key, volumeName] : [key];
  }

  async syncClaim(key: string): Promise<void> {
    const known = this.state.claim(key);
    if (known === undefined) return;
    const claim = await this.#storeClaim(migratedClaim(known), known);
    const plan = planClaim(claim, this.#around);
    if (plan.kind !== 'bind') this.#waiting.add(claim);
    await this.#carryOut(plan, claim);
  }

  async #carryOut(plan: ClaimPlan, claim: PersistentVolumeClaim): Promise<void> {
    if (plan.kind === 'bind') {
      this.#forgetClaim(keyOf(claim));
      await this.#bind(plan.volume, claim);
      return;
    }
    if (plan.kind === 'assignClass') {
      await this.#storeClaim({ ...claim, spec: { ...claim.spec, storageClassName: plan.name } }, claim);
      return;
    }
    if (plan.kind === 'provision') await this.#nameProvisioner(claim, plan.provisioner);
    const { event } = plan;
    const isNew = plan.kind !== 'lost' || claim.status?.phase !== 'Lost';
    if (event !== undefined && isNew) this.#tell(claim, event);
    if (plan.kind === 'pending') await this.#storeClaimStatus(claimWithoutVolume(claim, 'Pending'), claim);
    if (plan.kind === 'lost' && isNew) await this.#storeClaimStatus(claimWithoutVolume(claim, 'Lost'), claim);
    if (plan.kind === 'misbound')
      throw new Error(`invalid binding of claim ${JSON.stringify(keyOf(claim))}: ${plan.event.message}`);
  }

  #tell(claim: PersistentVolumeClaim, { type, reason, message }: ClaimEvent): void {
    const { events, clock } = this.#deps;
    const [key, text] = [keyOf(claim), `${reason}: ${message}`];
    const before = this.#told.get(key);
    if (before?.text === text && clock.now() - before.atMs < retellMs) return;
    this.#told.set(key, { text, atMs: clock.now() });
    events.event(claim, type, reason, message);
  }

  #forgetClaim(key: string): void {
    this.#waiting.forget(key);
    this.#told.delete(key);
  }

  async #bind(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
    const wanted = boundVolume(volume, claim);
    this.state.reserve(wanted);
    try {
      const stored = await this.#writePhase(await this.#storeVolume(wanted, volume), 'Bound');
      const bound = await this.#storeClaim(boundClaim(claim, stored), claim);
      await this.#storeClaimStatus(claimWithVolume(bound, stored), bound);
    } finally {
      this.state.volumeChanged(volume.metadata.name);
    }
  }

  async #nameProvisioner(claim: PersistentVolumeClaim, name: string): Promise<void> {
    if (annotation(claim, provisionerAnnotation) === name) return;
    const annotations = { [betaProvisionerAnnotation]: name, [provisionerAnnotation]: name };
    const named = { ...claim, metadata: withAnnotations(claim.metadata, annotations) };
    try {
      await this.#storeClaim(csiDriverOf(name) === undefined ? named : migratedClaim(named), claim);
    } catch (error) {
      const message = `Error saving claim: ${errorText(error)}`;
      this.#deps.events.event(claim, 'Warning', 'ProvisioningFailed', message);
      throw error;
    }
  }

  async syncVolume(name: string): Promise<void> {
    const known = this.state.volume(name);
    if (known === undefined) return;
    const volume = await this.#storeVolume(migratedVolume(known), known);
    const claim = await this.#claimOf(volume);
    const plan = planVolume(volume, claim);
    switch (plan.kind) {
      case 'phase':
        await this.#writePhase(volume, plan.phase);
        return;
      case 'release':
        await this.#release(volume);
        return;
      case 'unbind':
        await this.#unbind(volume);
        return;
      case 'mismatch':
        this.#tellMismatch(volume, claim as PersistentVolumeClaim);
        return;
      case 'syncClaim':
        await this.syncClaim(keyOf(claim as PersistentVolumeClaim));
    }
  }

  /**
   * The claim that the volume's reference names, UID included. A cache may be stale, so the API server is asked before a volume is
   * released.
   */
  async #claimOf(volume: PersistentVolume): Promise<PersistentVolumeClaim | undefined> {
    const { spec, status } = volume;
    const { claimRef } = spec;
    const key = claimKeyOf(volume);
    if (claimRef === undefined || key === undefined || (claimRef.uid ?? '') === '') return undefined;
    const cached = this.state.claim(key);
    if (cached?.metadata.uid === claimRef.uid) return cached;
    const isReleased = status?.phase === 'Released' || status?.phase === 'Failed';
    if (cached === undefined && isReleased) return undefined;
    const live = await liveObject(this.#deps.client, 'persistentvolumeclaims', {
      namespace: claimRef.namespace,
      name: claimRef.name ?? '',
    });
    return live?.metadata.uid === claimRef.uid ? live : undefined;
  }

  async #release(volume: PersistentVolume): Promise<void> {
    const { phase } = volume.status ?? {};
    // Keep the phase Failed visible while the policy is tried again.
    const released = phase === 'Released' || phase === 'Failed' ? volume : await this.#writePhase(volume, 'Released');
    await this.#reclaimer.reclaim(released);
  }

  async #unbind(volume: PersistentVolume): Promise<void> {
    await this.#writePhase(await this.#storeVolume(unboundVolume(volume), volume), 'Available');
  }

  #tellMismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): void {
    const { events } = this.#deps;
    const [volumeName, claimName] = [volume, claim].map(({ metadata }) => JSON.stringify(metadata.name));
    const ofVolume = `Cannot bind PersistentVolume to requested PersistentVolumeClaim ${claimName} due to incompatible volumeMode.`;
    const ofClaim = `Cannot bind PersistentVolume ${volumeName} to requested PersistentVolumeClaim due to incompatible volumeMode.`;
    events.event(volume, 'Warning', 'VolumeMismatch', ofVolume);
    events.event(claim, 'Warning', 'VolumeMismatch', ofClaim);
  }

  async #writePhase(volume: PersistentVolume, phase: string, message?: string): Promise<PersistentVolume> {
    if (volume.status?.phase === phase) return volume;
    const status = { ...volume.status, phase, message };
    return this.state.wrote(await this.#deps.client.resource('persistentvolumes').updateStatus({ ...volume, status }));
  }

  async #storeVolume(wanted: PersistentVolume, before: PersistentVolume): Promise<PersistentVolume> {
    if (wanted === before) return before;
    return this.state.wrote(await this.#deps.client.resource('persistentvolumes').update(wanted));
  }

  async #storeClaim(wanted: PersistentVolumeClaim, before: PersistentVolumeClaim): Promise<PersistentVolumeClaim> {
    if (wanted === before) return before;
    return this.state.wrote(await this.#deps.client.resource('persistentvolumeclaims').update(wanted));
  }

  async #storeClaimStatus(wanted: PersistentVolumeClaim, before: PersistentVolumeClaim): Promise<void> {
    if (wanted === before) return;
    this.state.wrote(await this.#deps.client.resource('persistentvolumeclaims').updateStatus(wanted));
  }

  #forget(name: string): void {
    this.#reclaimer.forget(name);
    if (this.#unusable.delete(name)) this.#reportUnusable();
  }

  #leaveOut(volume: PersistentVolume, error: unknown): void {
    const { name } = volume.metadata;
    if (this.#unusable.get(name) === unreadable(error)) return;
    this.#unusable.set(name, unreadable(error));
    this.#reportUnusable();
  }

  #reportUnusable(): void {
    const objects = Array.from(this.#unusable, ([name, why]) => leftOut('PersistentVolume', { metadata: { name } }, why));
    this.#deps.leftOut.report('persistentvolume-binder', objects);
  }
}
