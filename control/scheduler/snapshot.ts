/** The state that one scheduling decision uses: all nodes with their pods, and other objects that plugins need. Immutable. */

import { controllerOf } from '#api/meta.ts';
import { type LabelMatcher, labelMatcher, labelMatcherOf, labelMatcherOfMap, matchesLabels } from '#api/selector.ts';
import type { LabelSelector, OwnerReference, Pod, Service } from '#api/types.generated.ts';
import type { DeviceView } from './devices/device-view.ts';
import type { NodeInfo } from './node-info.ts';
import { PodIndex } from './pod-index.ts';
import type { StorageView } from './volumes/storage-view.ts';

/** A snapshot of the cluster. */
export interface Snapshot {
  /** In the order in which the scheduler looks at them. */
  readonly nodes: readonly NodeInfo[];
  /** Counts over all pods of these nodes. */
  readonly podIndex: PodIndex;
  /** The node with this name; undefined when there is none. */
  node(name: string): NodeInfo | undefined;
  /** The labels of a namespace; empty when it is not known. */
  namespaceLabels(namespace: string): Readonly<Record<string, string>>;
  /** The Services of a namespace. */
  services(namespace: string): readonly Service[];
  /** The selector of the workload that owns pods; undefined when it is gone, or is of a kind that is not looked at. */
  ownerSelector(namespace: string, owner: OwnerReference): LabelSelector | undefined;
  readonly storage: StorageView;
  readonly devices: DeviceView;
}

/** The look-ups of a snapshot besides its nodes. */
export type SnapshotLookups = Pick<Snapshot, 'namespaceLabels' | 'services' | 'ownerSelector' | 'storage' | 'devices'>;

/** Makes a snapshot of these nodes, sorted by name. The scheduler's own are made by its cache, which keeps the index. */
export function createSnapshot(nodes: readonly NodeInfo[], lookups: SnapshotLookups): Snapshot {
  const sorted = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  const byName = new Map(sorted.map((info) => [info.name, info]));
  return { ...lookups, nodes: sorted, podIndex: new PodIndex({ nodes: sorted }, lookups), node: (name) => byName.get(name) };
}

/**
 * A matcher of the pods that the pod's Services and its owner (a ReplicaSet, StatefulSet or ReplicationController) select; the pod is spread with
 * them. Undefined when there are none. Source: upstream `plugins/helper/spread.go` (DefaultSelector).
 */
export function spreadSelector(
  pod: Pod,
  snapshot: Pick<SnapshotLookups, 'services' | 'ownerSelector'>,
): LabelMatcher | undefined {
  const namespace = pod.metadata.namespace ?? '';
  const selected = new Map<string, string>();
  for (const { spec } of snapshot.services(namespace)) {
    // A Service without selector selects nothing, not everything.
    if (spec.selector !== undefined && matchesLabels(labelMatcherOfMap(spec.selector), pod.metadata.labels))
      for (const [key, value] of Object.entries(spec.selector)) selected.set(key, value);
  }
  const requirements = [...labelMatcherOfMap(Object.fromEntries(selected)).requirements];
  const owner = controllerOf(pod);
  const ofOwner = owner === undefined ? undefined : snapshot.ownerSelector(namespace, owner);
  if (ofOwner !== undefined) requirements.push(...labelMatcher(ofOwner).requirements);
  return requirements.length === 0 ? undefined : labelMatcherOf(requirements);
}
