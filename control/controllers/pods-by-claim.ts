/** An index of pods by the claims that they use. Source: kubernetes `pkg/controller/volume/common` (PodPVCIndexFunc). */
import { keyOf } from '#api/meta.ts';
import { volumeClaimName } from '#api/pod/object-references.ts';
import type { Pod } from '#api/types.generated.ts';

/** An index of pods, updated by a controller's watch. */
export class PodsByClaim {
  readonly #pods = new Map<string, Map<string, Pod>>();

  /** @param exists false: the pod has been deleted */
  changed(pod: Pod, previous: Pod | undefined, exists: boolean): void {
    const key = keyOf(pod);
    for (const claim of previous === undefined ? [] : claimKeysOf(previous)) this.#remove(claim, key);
    for (const claim of claimKeysOf(pod)) {
      if (!exists) {
        this.#remove(claim, key);
        continue;
      }
      const pods = this.#pods.get(claim) ?? new Map<string, Pod>();
      this.#pods.set(claim, pods.set(key, pod));
    }
  }

  /** The pods that use a claim, unordered. The caller may change the array. */
  of(claimKey: string): Pod[] {
    return [...(this.#pods.get(claimKey)?.values() ?? [])];
  }

  #remove(claim: string, key: string): void {
    const pods = this.#pods.get(claim);
    pods?.delete(key);
    if (pods?.size === 0) this.#pods.delete(claim);
  }
}

/** The keys of all claims that a pod uses, those of its ephemeral volumes included. */
export function claimKeysOf(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const name = volumeClaimName(pod, volume);
    return name === undefined ? [] : [`${pod.metadata.namespace ?? ''}/${name}`];
  });
}
