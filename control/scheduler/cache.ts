/**
 * The scheduler's view of nodes and their pods: the objects of the API, and pods that the scheduler has placed but the API does
 * not show yet.
 */

import { sameJson } from '#api/meta.ts';
import { hostPorts } from '#api/pod/host-ports.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import { noDevices } from './devices/device-view.ts';
import { type NodeInfo, nodeInfo, withNodeState, withoutPods, withPods } from './node-info.ts';
import { NodeOrder } from './node-order.ts';
import { PodIndex } from './pod-index.ts';
import { podResources } from './resources.ts';
import type { Snapshot, SnapshotLookups } from './snapshot.ts';
import { noStorage } from './volumes/storage-view.ts';

interface Placed {
  pod: Pod;
  node: string;
  /** Whether the scheduler has placed the pod, and the API does not show it yet. */
  assumed: boolean;
}

const noLookups: SnapshotLookups = {
  namespaceLabels: () => ({}),
  services: () => [],
  ownerSelector: () => undefined,
  storage: noStorage,
  devices: noDevices,
};

/**
 * Nodes with their pods and sums, see upstream's `pkg/scheduler/backend/cache`. A change replaces the info of one node, and
 * updates the counts; nothing is copied for a snapshot.
 */
export class SchedulerCache {
  readonly #lookups: SnapshotLookups;
  readonly #order = new NodeOrder();
  readonly #placed = new Map<string, Placed>();
  /** UIDs of pods on nodes that are not known yet. */
  readonly #homeless = new Map<string, Set<string>>();
  #assumed = 0;
  readonly #infos = new Map<string, NodeInfo>();
  /** The infos in order. Made again when nodes have come or gone, and otherwise changed in place. */
  #list: NodeInfo[] = [];
  readonly #positions = new Map<string, number>();
  #isListed = true;
  readonly #index: PodIndex;

  constructor(lookups: SnapshotLookups = noLookups) {
    this.#lookups = lookups;
    const source = (): NodeInfo[] => this.nodeInfos();
    this.#index = new PodIndex(
      {
        get nodes() {
          return source();
        },
      },
      lookups,
    );
  }

  /** Adds or replaces a node. @throws Error when the node cannot be read; then nothing has changed */
  setNode(node: Node): void {
    const { name } = node.metadata;
    const before = this.#infos.get(name);
    const pods = [...(this.#homeless.get(name) ?? [])].flatMap((uid) => this.#placed.get(uid)?.pod ?? []);
    const info = before === undefined ? nodeInfo(node, pods) : withNodeState(before, node);
    this.#homeless.delete(name);
    if (this.#order.set(node)) this.#isListed = false;
    if (before !== undefined && countsAlike(before, info)) {
      this.#index.imagesChanged(before, info);
      this.#replace(info);
      return;
    }
    if (before !== undefined) this.#index.nodeRemoved(before);
    this.#replace(info);
    this.#index.nodeAdded(info);
  }

  removeNode(name: string): void {
    const info = this.#infos.get(name);
    if (info === undefined) return;
    this.#index.nodeRemoved(info);
    this.#infos.delete(name);
    this.#order.delete(name);
    this.#isListed = false;
    if (info.pods.length > 0) this.#homeless.set(name, new Set(info.pods.map(({ metadata }) => metadata.uid)));
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
    if (placed.assumed) this.#assumed--;
    const info = this.#infos.get(placed.node);
    if (info === undefined) {
      const waiting = this.#homeless.get(placed.node);
      waiting?.delete(uid);
      if (waiting?.size === 0) this.#homeless.delete(placed.node);
    } else {
      this.#index.podRemoved(placed.pod, info);
      this.#replace(withoutPods(info, [placed.pod]));
    }
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

  /** How much there is of what, as metrics name it. */
  sizes(): { nodes: number; pods: number; assumed_pods: number } {
    return { nodes: this.#infos.size, pods: this.#placed.size, assumed_pods: this.#assumed };
  }

  /** A node as it is now. */
  node(name: string): NodeInfo | undefined {
    return this.#infos.get(name);
  }

  pod(uid: string): Pod | undefined {
    return this.#placed.get(uid)?.pod;
  }

  /** The nodes in the order in which the scheduler looks at them. Changes with the cache: not to be kept. */
  nodeInfos(): NodeInfo[] {
    if (this.#isListed) return this.#list;
    this.#isListed = true;
    this.#list = this.#order.list().flatMap((name) => this.#infos.get(name) ?? []);
    this.#positions.clear();
    for (const [position, { name }] of this.#list.entries()) this.#positions.set(name, position);
    return this.#list;
  }

  /** The state as it is now, for one decision: it changes with the cache. @param isKept a copy of the list of nodes, that does not */
  snapshot(isKept = false): Snapshot {
    const nodes = this.nodeInfos();
    return {
      namespaceLabels: this.#lookups.namespaceLabels,
      services: this.#lookups.services,
      ownerSelector: this.#lookups.ownerSelector,
      storage: this.#lookups.storage,
      devices: this.#lookups.devices,
      nodes: isKept ? [...nodes] : nodes,
      podIndex: this.#index,
      node: (name) => this.#infos.get(name),
    };
  }

  /** The labels of a namespace have changed: terms may select other pods. */
  namespaceChanged(): void {
    this.#index.namespacesChanged();
  }

  #replace(info: NodeInfo): void {
    this.#infos.set(info.name, info);
    const position = this.#positions.get(info.name);
    if (this.#isListed && position !== undefined) this.#list[position] = info;
  }

  #place(placed: Placed): void {
    const { uid } = placed.pod.metadata;
    // The pod is read before anything changes: a pod that cannot be read must not change the sums.
    podResources(placed.pod);
    hostPorts(placed.pod);
    const before = this.#placed.get(uid);
    if (before?.node === placed.node && weighsAlike(before.pod, placed.pod)) {
      this.#assumed += Number(placed.assumed) - Number(before.assumed);
      this.#placed.set(uid, placed);
      this.#swap(before.pod, placed);
      return;
    }
    this.removePod(uid);
    this.#placed.set(uid, placed);
    if (placed.assumed) this.#assumed++;
    const info = this.#infos.get(placed.node);
    if (info === undefined) {
      this.#homeless.getOrInsertComputed(placed.node, () => new Set()).add(uid);
      return;
    }
    this.#replace(withPods(info, [placed.pod]));
    this.#index.podAdded(placed.pod, info);
  }

  /** Replaces a version of a pod by another that counts the same, as the confirmation of a binding is. */
  #swap(before: Pod, { pod, node }: Placed): void {
    const info = this.#infos.get(node);
    if (info === undefined) return;
    const swapped = (pods: readonly Pod[]): readonly Pod[] => {
      const index = pods.indexOf(before);
      return index < 0 ? pods : pods.with(index, pod);
    };
    this.#replace({
      ...info,
      pods: swapped(info.pods),
      podsWithAffinity: swapped(info.podsWithAffinity),
      podsWithPorts: swapped(info.podsWithPorts),
    });
  }
}

/** Whether both states of a node are in the same domains and sets of nodes. */
const countsAlike = (a: NodeInfo, b: NodeInfo): boolean =>
  sameJson(a.labels, b.labels) && sameJson(a.node.spec.taints ?? [], b.node.spec.taints ?? []);

/** Whether both versions of a pod count the same in every sum and count. */
function weighsAlike(a: Pod, b: Pod): boolean {
  return (
    podResources(a) === podResources(b) &&
    (a.metadata.deletionTimestamp === undefined) === (b.metadata.deletionTimestamp === undefined) &&
    sameJson(a.metadata.labels ?? {}, b.metadata.labels ?? {}) &&
    // Neither affinity nor ports of a pod can be changed.
    a.metadata.uid === b.metadata.uid
  );
}
