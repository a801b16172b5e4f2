/** The scheduler's own view of nodes and their pods: what the API has told, and what is decided but not yet told back. */
import { hostPorts } from '#api/pod/host-ports.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { type NodeInfo, nodeInfo, withoutPods, withPods } from './node-info.ts';
import { podResources } from './resources.ts';

interface Placed {
  pod: Pod;
  node: string;
  /** Decided by us; the API has not shown it yet. */
  assumed: boolean;
}

export class SchedulerCache {
  readonly #nodes = new Map<string, Node>();
  readonly #placed = new Map<string, Placed>();
  /** UIDs by node; also for nodes that are not known (yet). */
  readonly #byNode = new Map<string, Set<string>>();
  /** Computed on demand; kept up when pods come and go, dropped when the node changes. */
  readonly #infos = new Map<string, NodeInfo>();

  /** @throws where the node cannot be read; then nothing has changed */
  setNode(node: Node): void {
    nodeInfo(node, []);
    this.#nodes.set(node.metadata.name, node);
    this.#infos.delete(node.metadata.name);
  }

  removeNode(name: string): void {
    this.#nodes.delete(name);
    this.#infos.delete(name);
  }

  /** A pod that the API shows on a node; confirms what was assumed, or overrules it. */
  setPod(pod: Pod, node: string): void {
    this.#place({ pod, node, assumed: false });
  }

  removePod(uid: string): Pod | undefined {
    const placed = this.#placed.get(uid);
    if (placed === undefined) return undefined;
    this.#placed.delete(uid);
    this.#byNode.get(placed.node)?.delete(uid);
    const info = this.#infos.get(placed.node);
    if (info !== undefined) this.#infos.set(placed.node, withoutPods(info, [placed.pod]));
    return placed.pod;
  }

  /** Counts the pod on the node from now on, while the binding is under way. */
  assume(pod: Pod, node: string): void {
    this.#place({ pod, node, assumed: true });
  }

  /** The binding failed. What the API has confirmed meanwhile stays. */
  forget(uid: string): void {
    if (this.isAssumed(uid)) this.removePod(uid);
  }

  isAssumed(uid: string): boolean {
    return this.#placed.get(uid)?.assumed === true;
  }

  pod(uid: string): Pod | undefined {
    return this.#placed.get(uid)?.pod;
  }

  nodeInfos(): NodeInfo[] {
    return [...this.#nodes].map(([name, node]) => {
      const known = this.#infos.get(name);
      if (known !== undefined) return known;
      const uids = this.#byNode.get(name) ?? [];
      const info = nodeInfo(
        node,
        [...uids].flatMap((uid) => this.#placed.get(uid)?.pod ?? []),
      );
      this.#infos.set(name, info);
      return info;
    });
  }

  #place(placed: Placed): void {
    const { uid } = placed.pod.metadata;
    // Read before anything is changed: a pod that cannot be read must leave no trace in the sums.
    podResources(placed.pod);
    hostPorts(placed.pod);
    this.removePod(uid);
    this.#placed.set(uid, placed);
    const onNode = this.#byNode.get(placed.node) ?? new Set();
    this.#byNode.set(placed.node, onNode.add(uid));
    const info = this.#infos.get(placed.node);
    if (info !== undefined) this.#infos.set(placed.node, withPods(info, [placed.pod]));
  }
}
