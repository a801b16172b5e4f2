/**
 * Changed pods of namespaces with very many PodDisruptionBudgets. All changes of such a namespace share one key, and their budgets are
 * found when that key is reconciled.
 */
import type { Pod } from '#api/types.generated.ts';

/** Changed pods whose budgets are still to be found, in namespaces with very many budgets. */
export class CrowdedPods {
  readonly #pods = new Map<string, Set<Pod>>();

  /** The namespace, if the key is one that {@link add} returned. */
  static namespaceOf(key: string): string | undefined {
    return key.endsWith('/') ? key.slice(0, -1) : undefined;
  }

  /** @returns the namespace's key, which differs from the key of every budget because those contain a name */
  add(pod: Pod): string {
    const { namespace = '' } = pod.metadata;
    const pods = this.#pods.get(namespace) ?? new Set();
    this.#pods.set(namespace, pods.add(pod));
    return `${namespace}/`;
  }

  take(namespace: string): ReadonlySet<Pod> {
    const pods = this.#pods.get(namespace) ?? new Set();
    this.#pods.delete(namespace);
    return pods;
  }
}
