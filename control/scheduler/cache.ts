/**
 * The scheduler's view of nodes and their pods: the objects of the API, and pods that the scheduler has placed but the API does
 * not show yet.
 */
import { hostPorts } from '#api/pod/host-ports.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { type NodeInfo, nodeInfo, withoutPods, withPods } from './node-info.ts';
import { podResources } from './resources.ts';

interface Placed {
  pod: Pod;
  node: string;
  /** Whether the scheduler has placed the pod, and the API does not show it yet. */
  assumed: boolean;
}

/** Nodes with their pods and sums, see upstream's `pkg/scheduler/backend/cache`. */
export class SchedulerCache {
  readonly #nodes = new Map<string, Node>();
  readonly #placed = new Map<string, Placed>();
  /** UIDs of pods by node, also for nodes that are not known yet. */
  readonly #byNode = new Map<string, Set<string>>();
  /** Computed on demand, updated when a pod is added or removed, and dropped when the node changes. */
  readonly #infos = new Map<string, NodeInfo>();

  /** Adds or replaces a node. @throws Error when the node cannot be read; then nothing has changed */
  setNode(node: Node): void {
    nodeInfo(node, []);
    this.#nodes.set(node.metadata.name, node);
    this.#infos.delete(node.metadata.name);
  }

  removeNode(name: string): void {
    this.#nodes.delete(name);
    this.#infos.delete(name);
  }

  /**
   * Sets a pod that the API shows on a node. It confirms or replaces an assumed placement. @throws Error when the pod cannot be
   * read
   */
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

  /** Counts the pod on the node from now on, while its binding is in progress. */
  assume(pod: Pod, node: string): void {
    this.#place({ pod, node, assumed: true });
  }

  /** Removes a pod whose binding has failed. When the API has confirmed the pod meanwhile, it stays. */
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
    // The pod is read before anything changes: a pod that cannot be read must not change the sums.
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
