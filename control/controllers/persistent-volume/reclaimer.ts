/**
 * Carries out the reclaim policy of a volume whose claim is gone.
 *
 * Source: kubernetes `pkg/controller/volume/persistentvolume/pv_controller.go` (reclaimVolume, recycleVolumeOperation, deleteVolumeOperation).
 */
import { keyToName } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import { annotation, claimKeyOf, inTreeFinalizer, migratedToAnnotation } from '#api/storage/binding.ts';
import type { PersistentVolume } from '#api/types.generated.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { liveObject } from '../live-object.ts';
import { recyclerKey, recyclerPod, recycleStep } from './recycler.ts';
import type { StorageState } from './storage-state.ts';
import { deleterOf, isRecyclable } from './volume-plugins.ts';

/** Writes that the binder does for the reclaimer. */
export interface VolumeWrites {
  /** Sets the phase. Writes nothing when the volume has it already. */
  phase(volume: PersistentVolume, phase: string, message?: string): Promise<PersistentVolume>;
  unbind(volume: PersistentVolume): Promise<void>;
}

/** Carries out reclaim policies. A binder has one. */
export class Reclaimer {
  readonly #deps: ControllerDeps;
  readonly #state: StorageState;
  readonly #write: VolumeWrites;
  /** UIDs of running recycler pods, by volume. */
  readonly #recyclers = new Map<string, string>();

  constructor(deps: ControllerDeps, state: StorageState, write: VolumeWrites) {
    this.#deps = deps;
    this.#state = state;
    this.#write = write;
  }

  /** The volume has been deleted. */
  forget(name: string): void {
    this.#recyclers.delete(name);
  }

  /** Reclaims a volume. @param volume in phase Released or Failed; each reconcile tries again until it succeeds */
  async reclaim(volume: PersistentVolume): Promise<void> {
    if ((annotation(volume, migratedToAnnotation) ?? '') !== '') return;
    switch (volume.spec.persistentVolumeReclaimPolicy) {
      case 'Retain':
        return;
      case 'Recycle':
        await this.#recycle(volume);
        return;
      case 'Delete':
        await this.#delete(volume);
        return;
      default:
        await this.#fail(volume, 'VolumeUnknownReclaimPolicy', 'Volume has unrecognized PersistentVolumeReclaimPolicy');
    }
  }

  async #fail(volume: PersistentVolume, reason: string, message: string): Promise<void> {
    if (volume.status?.phase === 'Failed') return;
    const failed = await this.#write.phase(volume, 'Failed', message);
    this.#deps.events.event(failed, 'Warning', reason, message);
  }

  async #delete(volume: PersistentVolume): Promise<void> {
    const deleter = deleterOf(volume);
    if (deleter.kind === 'external') return;
    if (deleter.kind === 'error') {
      await this.#fail(volume, 'VolumeFailedDelete', deleter.why);
      return;
    }
    const live = await this.#stillReleased(volume);
    if (live === undefined) return;
    const volumes = this.#deps.client.resource('persistentvolumes');
    const { finalizers = [] } = live.metadata;
    if (finalizers.includes(inTreeFinalizer)) {
      const metadata = { ...live.metadata, finalizers: finalizers.filter((one) => one !== inTreeFinalizer) };
      this.#state.wrote(await volumes.update({ ...live, metadata }));
    }
    await ignoringAbsence(volumes.delete(live.metadata, { preconditions: { uid: live.metadata.uid } }));
  }

  /** The volume from the server; undefined when it is bound (again), or gone. */
  async #stillReleased({ metadata: { name, uid } }: PersistentVolume): Promise<PersistentVolume | undefined> {
    const live = await liveObject(this.#deps.client, 'persistentvolumes', { name });
    const { claimRef } = live?.spec ?? {};
    if (live?.metadata.uid !== uid || claimRef === undefined || (claimRef.uid ?? '') === '') return undefined;
    const claim = this.#state.claim(claimKeyOf(live) ?? '');
    if (claim?.metadata.uid !== claimRef.uid) return live;
    const { volumeName = '' } = claim?.spec ?? {};
    return volumeName !== '' && volumeName !== name ? live : undefined;
  }

  async #recycle(volume: PersistentVolume): Promise<void> {
    const live = await this.#stillReleased(volume);
    if (live === undefined || this.#isUsed(live)) return;
    if (!isRecyclable(live)) {
      await this.#fail(live, 'VolumeFailedRecycle', 'No recycler plugin found for the volume!');
      return;
    }
    const { name } = live.metadata;
    const pods = this.#deps.client.resource('pods');
    const pod = await liveObject(this.#deps.client, 'pods', keyToName(recyclerKey(name)));
    const step = recycleStep(pod, this.#recyclers.get(name));
    if (step.kind === 'wait') return;
    if (step.kind === 'start') {
      this.#recyclers.set(name, (await pods.create(recyclerPod(live))).metadata.uid);
      return;
    }
    this.#recyclers.delete(name);
    if (pod !== undefined && (step.kind === 'done' || step.deletePod)) await ignoringAbsence(pods.delete(pod.metadata));
    if (step.kind === 'failed') {
      await this.#fail(live, 'VolumeFailedRecycle', `Recycle failed: ${step.why}`);
      return;
    }
    this.#deps.events.event(live, 'Normal', 'VolumeRecycled', 'Volume recycled');
    await this.#write.unbind(live);
  }

  /** Whether a pod of the old claim still runs. Pods of a new claim with the same name use another volume and do not count. */
  #isUsed(volume: PersistentVolume): boolean {
    const key = claimKeyOf(volume) ?? '';
    const pods = this.#state.pods(key).map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`);
    if (pods.length === 0 || this.#state.claim(key) !== undefined) return false;
    this.#deps.events.event(volume, 'Normal', 'VolumeFailedRecycle', `Volume is used by pods: ${pods.join(',')}`);
    return true;
  }
}

async function ignoringAbsence(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
