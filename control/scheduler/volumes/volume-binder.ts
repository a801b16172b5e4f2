/**
 * Has the volumes of a pod bound or made for the node that was chosen, before the pod is bound: the scheduler writes its choice into volumes and
 * claims, and the volume controller and the provisioners do the rest.
 *
 * Source: upstream `plugins/volumebinding/binder.go` (AssumePodVolumes, BindPodVolumes, checkBindings).
 */
import { isNewerVersion, keyOf } from '#api/meta.ts';
import { annotation, boundVolume, selectedNodeAnnotation, volumeFitsNode, withAnnotations } from '#api/storage/binding.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import type { NodeInfo } from '../node-info.ts';
import { decideVolumes, isFullyBound, podClaims, type VolumeDecisions } from './pod-volumes.ts';
import type { StorageCache } from './storage-cache.ts';

/** What a reservation needs of the scheduler's world. */
export interface VolumeBinderDeps {
  client: Client;
  clock: Clock;
  storage: StorageCache;
  /** The node as it is now; undefined: it is gone. */
  node(name: string): Pick<NodeInfo, 'name' | 'labels'> | undefined;
  /** Whether the pod is still there. */
  exists(pod: Pod): boolean;
}

/** Volumes that are kept for a pod until it is bound. */
export interface VolumeReservation {
  /**
   * Writes the decisions, and waits until the volumes are bound. @throws Error when this fails, takes too long, or `signal` aborts: what was not written
   * is given back then
   */
  bind(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/** How often is checked what no event reports: whether the node and the pod are still there. */
const checkMs = 1000;

/** Reserves the volumes of the pod for the node. Undefined: there is nothing to do. @throws Error the node cannot have them any more */
export function reserveVolumes(pod: Pod, info: NodeInfo, deps: VolumeBinderDeps): VolumeReservation | undefined {
  const { storage } = deps;
  const claims = podClaims(pod, storage);
  if (claims.delayed.length === 0) return undefined;
  const decided = decideVolumes(claims, info, storage);
  if (!('bindings' in decided)) throw new Error(decided.join(', '));
  return new Reservation(pod, info.name, decided, deps);
}

class Reservation implements VolumeReservation {
  readonly #pod: Pod;
  readonly #node: string;
  readonly #deps: VolumeBinderDeps;
  /** The volumes as the scheduler wants them; after the write, as the server has stored them. */
  readonly #volumes: PersistentVolume[];
  readonly #claims: PersistentVolumeClaim[];
  /** The claims of the volumes, in their order. */
  readonly #claimsOfVolumes: readonly string[];

  constructor(pod: Pod, node: string, { bindings, provisions }: VolumeDecisions, deps: VolumeBinderDeps) {
    this.#pod = pod;
    this.#node = node;
    this.#deps = deps;
    this.#claimsOfVolumes = bindings.map(({ claim }) => keyOf(claim));
    this.#volumes = bindings.map(({ volume, claim }) => boundVolume(volume, claim));
    this.#claims = provisions.map((claim) => ({
      ...claim,
      metadata: withAnnotations(claim.metadata, { [selectedNodeAnnotation]: node }),
    }));
    for (const volume of this.#volumes) deps.storage.assumeVolume(volume);
    for (const claim of this.#claims) deps.storage.assumeClaim(claim);
  }

  async bind(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#write();
    const endMs = this.#deps.clock.monotonic() + timeoutMs;
    while (!this.#isBound()) {
      if (signal.aborted) throw new Error('binding volumes: context canceled');
      if (this.#deps.clock.monotonic() >= endMs) throw new Error('binding volumes: context deadline exceeded');
      await this.#untilChanged(signal);
    }
  }

  async #write(): Promise<void> {
    const { client, storage } = this.#deps;
    let [volumes, claims] = [0, 0];
    try {
      for (; volumes < this.#volumes.length; volumes++)
        this.#volumes[volumes] = await client.resource('persistentvolumes').update(this.#volumes[volumes] as PersistentVolume);
      for (; claims < this.#claims.length; claims++)
        this.#claims[claims] = await client
          .resource('persistentvolumeclaims')
          .update(this.#claims[claims] as PersistentVolumeClaim);
    } catch (error) {
      // What was written stays: the claims are found bound, or being made for this node, at the next attempt.
      for (const { metadata } of this.#volumes.slice(volumes)) storage.restoreVolume(metadata.name);
      for (const claim of this.#claims.slice(claims)) storage.restoreClaim(keyOf(claim));
      throw error;
    }
  }

  /** @throws Error when somebody has undone what was written: the pod has to be placed anew */
  #isBound(): boolean {
    const { storage, exists } = this.#deps;
    const node = this.#deps.node(this.#node);
    const check = 'binding volumes: ';
    if (node === undefined) throw new Error(`${check}failed to get node "${this.#node}": node "${this.#node}" not found`);
    if (!exists(this.#pod)) throw new Error(`${check}pod does not exist any more: pod "${this.#pod.metadata.name}" not found`);
    const mustFit = (volume: PersistentVolume): void => {
      if (!volumeFitsNode(volume, node))
        throw new Error(`${check}pv "${volume.metadata.name}" node affinity doesn't match node "${node.name}"`);
    };
    let isBound = true;
    for (const [index, written] of this.#volumes.entries()) {
      const { name } = written.metadata;
      const volume = storage.storedVolume(name);
      if (volume === undefined) throw new Error(`${check}failed to check binding: could not find v1.PersistentVolume "${name}"`);
      const key = this.#claimsOfVolumes[index] ?? '';
      const claim = storage.storedClaim(key);
      if (claim === undefined)
        throw new Error(`${check}failed to check binding: could not find v1.PersistentVolumeClaim "${key}"`);
      if (isNewerVersion(written, volume)) return false;
      mustFit(volume);
      if ((volume.spec.claimRef?.uid ?? '') === '') throw new Error(`${check}ClaimRef got reset for pv "${name}"`);
      isBound &&= isFullyBound(claim);
    }
    for (const written of this.#claims) {
      const key = keyOf(written);
      const claim = storage.storedClaim(key);
      if (claim === undefined)
        throw new Error(`${check}failed to check provisioning pvc: could not find v1.PersistentVolumeClaim "${key}"`);
      if (isNewerVersion(written, claim)) return false;
      // A provisioner that cannot make the volume takes the annotation away.
      if (annotation(claim, selectedNodeAnnotation) !== this.#node)
        throw new Error(`${check}provisioning failed for PVC "${claim.metadata.name}"`);
      const volume = storage.storedVolume(claim.spec.volumeName ?? '');
      if (volume !== undefined) mustFit(volume);
      isBound &&= isFullyBound(claim) && volume !== undefined;
    }
    return isBound;
  }

  #untilChanged(signal: AbortSignal): Promise<void> {
    const { storage, clock } = this.#deps;
    return new Promise((resolve) => {
      const finish = (): void => {
        stop();
        cancel();
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const stop = storage.onChange(finish);
      const cancel = clock.after(checkMs, finish);
      signal.addEventListener('abort', finish, { once: true });
    });
  }
}
