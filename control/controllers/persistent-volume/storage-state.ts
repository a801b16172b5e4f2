/**
 * Volumes, claims and pods as the binder sees them: the caches plus its own later writes. Without its own writes, an object that it has
 * just bound would look unbound, and the next write would end in a conflict.
 *
 * Source: kubernetes `pkg/controller/volume/persistentvolume/pv_controller_base.go` (storeObjectUpdate).
 */
import { isNewerVersion, keyOf } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { VolumeIndex } from '#api/storage/volume-index.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '#api/types.generated.ts';
import type { Caches } from '#client/controller.ts';
import { PodsByClaim } from '../pods-by-claim.ts';

type Stored = PersistentVolume | PersistentVolumeClaim;

/** The binder's state, updated by the controller's watches. Objects are shared and never changed. */
export class StorageState {
  /** Called for a volume that cannot be indexed, so that no claim can use it. */
  readonly #unusable: (volume: PersistentVolume, error: unknown) => void;
  readonly #caches: Caches;
  readonly #index = new VolumeIndex();
  /** Own writes that the caches do not show yet. */
  readonly #written = new Map<string, Stored>();
  readonly #pods = new PodsByClaim();

  constructor(caches: Caches, unusable: (volume: PersistentVolume, error: unknown) => void) {
    this.#caches = caches;
    this.#unusable = unusable;
  }

  volume(name: string): PersistentVolume | undefined {
    return this.#newest(name, this.#caches.cache('persistentvolumes').get(name));
  }

  claim(key: string): PersistentVolumeClaim | undefined {
    return this.#newest(key, this.#caches.cache('persistentvolumeclaims').get(key));
  }

  /** Finds the best volume for the claim now. @throws QuantityError, SelectorError when the claim is malformed */
  find(claim: PersistentVolumeClaim, options: { delayBinding: boolean }): PersistentVolume | undefined {
    return this.#index.find(claim, options);
  }

  /** Pods that use the claim and have not ended, sorted by name. */
  pods(claimKey: string): Pod[] {
    return this.#pods
      .of(claimKey)
      .filter((pod) => !isPodTerminal(pod))
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  /** Updates the index after a volume was changed or deleted. */
  volumeChanged(name: string): void {
    const volume = this.volume(name);
    if (volume === undefined) this.#index.remove(name);
    else this.#put(volume);
  }

  podChanged(pod: Pod, previous: Pod | undefined): void {
    this.#pods.changed(pod, previous, this.#caches.cache('pods').get(keyOf(pod)) !== undefined);
  }

  /** Reserves a volume that is being bound, so that no other claim gets it. {@link volumeChanged} ends that. */
  reserve(volume: PersistentVolume): void {
    this.#put(volume);
  }

  /** Records an object that the server has stored. */
  wrote<T extends Stored>(object: T): T {
    this.#written.set(keyOf(object), object);
    if (object.kind === 'PersistentVolume') this.volumeChanged(object.metadata.name);
    return object;
  }

  /**
   * The newer of the cached and the written object. If the cache does not have it, it was deleted, because it was in the cache before the
   * write.
   */
  #newest<T extends Stored>(key: string, cached: T | undefined): T | undefined {
    const written = this.#written.get(key) as T | undefined;
    if (written === undefined) return cached;
    const isNewer = cached !== undefined && cached.metadata.uid === written.metadata.uid && isNewerVersion(written, cached);
    if (isNewer) return written;
    this.#written.delete(key);
    return cached;
  }

  #put(volume: PersistentVolume): void {
    try {
      this.#index.put(volume);
    } catch (error) {
      this.#unusable(volume, error);
    }
  }
}
