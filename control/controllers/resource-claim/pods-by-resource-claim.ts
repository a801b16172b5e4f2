/** An index of pods by the ResourceClaims and templates that they use. */
import { claimNameOf } from '#api/dra/pod-claims.ts';
import { keyOf } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';

/** An index of pods, updated by a controller's watch. */
export class PodsByResourceClaim {
  readonly #pods = new Map<string, Map<string, Pod>>();

  /** @param exists false: the pod has been deleted */
  changed(pod: Pod, previous: Pod | undefined, exists: boolean): void {
    const key = keyOf(pod);
    for (const use of previous === undefined ? [] : usesOf(previous)) this.#remove(use, key);
    for (const use of usesOf(pod)) {
      if (!exists) {
        this.#remove(use, key);
        continue;
      }
      const pods = this.#pods.get(use) ?? new Map<string, Pod>();
      this.#pods.set(use, pods.set(key, pod));
    }
  }

  ofClaim(key: string): Pod[] {
    return [...(this.#pods.get(`claim:${key}`)?.values() ?? [])];
  }

  ofTemplate(key: string): Pod[] {
    return [...(this.#pods.get(`template:${key}`)?.values() ?? [])];
  }

  #remove(use: string, key: string): void {
    const pods = this.#pods.get(use);
    pods?.delete(key);
    if (pods?.size === 0) this.#pods.delete(use);
  }
}

function usesOf(pod: Pod): Set<string> {
  const { namespace = '' } = pod.metadata;
  const uses = new Set<string>();
  for (const entry of pod.spec.resourceClaims ?? []) {
    if (entry.resourceClaimTemplateName !== undefined) uses.add(`template:${namespace}/${entry.resourceClaimTemplateName}`);
    const claim = claimNameOf(pod, entry);
    if (claim.kind === 'named') uses.add(`claim:${namespace}/${claim.name}`);
  }
  return uses;
}
