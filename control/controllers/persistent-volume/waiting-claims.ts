/** Claims without a volume, so that a volume that becomes available finds them at once and not at the next resync. */
import { keyOf } from '#api/meta.ts';
import { classOf } from '#api/storage/binding.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';

/**
 * Limit of claims that one volume wakes. Waking all would take quadratic time with thousands of volumes and claims. The resync handles the
 * others.
 */
const woken = 16;

/** Waiting claims by StorageClass, because a volume of another class cannot be bound to them. */
export class WaitingClaims {
  readonly #classes = new Map<string, string>();
  readonly #byClass = new Map<string, Set<string>>();

  add(claim: PersistentVolumeClaim): void {
    const [key, name] = [keyOf(claim), classOf(claim)];
    if (this.#classes.get(key) === name) return;
    this.forget(key);
    this.#classes.set(key, name);
    const waiting = this.#byClass.get(name) ?? new Set<string>();
    this.#byClass.set(name, waiting.add(key));
  }

  forget(key: string): void {
    const name = this.#classes.get(key);
    if (name === undefined) return;
    this.#classes.delete(key);
    const waiting = this.#byClass.get(name);
    waiting?.delete(key);
    if (waiting?.size === 0) this.#byClass.delete(name);
  }

  /** The keys of the claims that have waited longest for a volume of this class. They move to the end of the queue. */
  take(volume: PersistentVolume): string[] {
    const waiting = this.#byClass.get(classOf(volume));
    const keys = waiting?.values().take(woken).toArray() ?? [];
    for (const key of keys) {
      waiting?.delete(key);
      waiting?.add(key);
    }
    return keys;
  }
}
