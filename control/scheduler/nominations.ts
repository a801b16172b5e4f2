/** Records the nodes that are nominated for pods: preemption frees resources there. */
import type { Pod } from '#api/types.generated.ts';
import type { Nominations } from './decide.ts';
import { podPriority } from './node-info.ts';

/** The nominated node of each pod. */
export class NominationBook {
  readonly #byUid = new Map<string, { pod: Pod; node: string }>();

  set(pod: Pod, node: string): void {
    this.#byUid.set(pod.metadata.uid, { pod, node });
  }

  delete(uid: string): void {
    this.#byUid.delete(uid);
  }

  nodeOf(uid: string): string | undefined {
    return this.#byUid.get(uid)?.node;
  }

  byNode(): Nominations {
    const byNode = new Map<string, Pod[]>();
    for (const { pod, node } of this.#byUid.values()) byNode.set(node, [...(byNode.get(node) ?? []), pod]);
    return byNode;
  }

  /** The pods nominated to the node that have a lower priority than `priority`. */
  below(node: string, priority: number): Pod[] {
    return [...this.#byUid.values()]
      .filter((entry) => entry.node === node && podPriority(entry.pod) < priority)
      .map(({ pod }) => pod);
  }
}
