/** Records the nodes that are nominated for pods: preemption frees resources there. */
import type { Pod } from '#api/types.generated.ts';
import type { Nominations } from './decide.ts';
import { podPriority } from './node-info.ts';

/** The nominated node of each pod. */
export class NominationBook {
  readonly #nodes = new Map<string, string>();
  readonly #byNode = new Map<string, Pod[]>();

  set(pod: Pod, node: string): void {
    this.delete(pod.metadata.uid);
    this.#nodes.set(pod.metadata.uid, node);
    this.#byNode.set(node, [...(this.#byNode.get(node) ?? []), pod]);
  }

  delete(uid: string): void {
    const node = this.#nodes.get(uid);
    if (node === undefined) return;
    this.#nodes.delete(uid);
    const left = (this.#byNode.get(node) ?? []).filter(({ metadata }) => metadata.uid !== uid);
    if (left.length > 0) this.#byNode.set(node, left);
    else this.#byNode.delete(node);
  }

  nodeOf(uid: string): string | undefined {
    return this.#nodes.get(uid);
  }

  /** All nominations as they are now: it changes with the book. */
  byNode(): Nominations {
    return this.#byNode;
  }

  /** The pods nominated to the node that have a lower priority than `priority`. */
  below(node: string, priority: number): Pod[] {
    return (this.#byNode.get(node) ?? []).filter((pod) => podPriority(pod) < priority);
  }
}
