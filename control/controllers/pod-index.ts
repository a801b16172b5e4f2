/** An index of pods by what they use, so that not all pods are searched at each change. */
import { keyOf } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';

/** Pods by key of what they use. A controller's watch of pods updates it. */
export class PodIndex {
  readonly #usesOf: (pod: Pod) => Iterable<string>;
  readonly #pods = new Map<string, Map<string, Pod>>();

  /** @param usesOf the keys under which a pod is found */
  constructor(usesOf: (pod: Pod) => Iterable<string>) {
    this.#usesOf = usesOf;
  }

  /** @param exists false: the pod has been deleted */
  changed(pod: Pod, previous: Pod | undefined, exists: boolean): void {
    const key = keyOf(pod);
    for (const use of previous === undefined ? [] : this.#usesOf(previous)) this.#remove(use, key);
    for (const use of this.#usesOf(pod)) {
      if (!exists) {
        this.#remove(use, key);
        continue;
      }
      const pods = this.#pods.get(use) ?? new Map<string, Pod>();
      this.#pods.set(use, pods.set(key, pod));
    }
  }

  /** The pods under a key, unordered. The caller may change the array. */
  of(use: string): Pod[] {
    return [...(this.#pods.get(use)?.values() ?? [])];
  }

  #remove(use: string, key: string): void {
    const pods = this.#pods.get(use);
    pods?.delete(key);
    if (pods?.size === 0) this.#pods.delete(use);
  }
}
