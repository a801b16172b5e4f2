/** Events of the cluster that may make waiting pods schedulable. Pure. */
import { sameJson } from '#api/meta.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  DraResourceClaim,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '#api/types.generated.ts';

/** An event that may make a waiting pod schedulable. */
export type ClusterEvent =
  | { kind: 'nodeAdded'; node: Node }
  | { kind: 'nodeUpdated'; node: Node; changes: ReadonlySet<NodeChange> }
  | { kind: 'nodeDeleted' }
  /** A pod was assigned to a node, or an assigned pod's labels changed: then there is a `previous` state. */
  | { kind: 'assignedPodChanged'; pod: Pod; previous?: Pod }
  /** A pod frees resources: it was deleted, has ended, was forgotten, or requests less. */
  | { kind: 'resourcesFreed'; pod: Pod }
  | { kind: 'namespaceChanged' }
  /** Of storage: without `previous` the object was added. */
  | { kind: 'volumeChanged'; volume: PersistentVolume; previous?: PersistentVolume }
  | { kind: 'claimChanged'; claim: PersistentVolumeClaim; previous?: PersistentVolumeClaim }
  | { kind: 'storageClassChanged'; storageClass: StorageClass; previous?: StorageClass }
  | { kind: 'csiNodeChanged'; csiNode: CSINode; previous?: CSINode }
  | { kind: 'csiDriverUpdated'; driver: CSIDriver; previous: CSIDriver }
  | { kind: 'storageCapacityChanged'; capacity: CSIStorageCapacity; previous?: CSIStorageCapacity }
  /** A VolumeAttachment was deleted. */
  | { kind: 'volumeDetached' }
  /** Of devices: without `previous` the object was added. */
  | { kind: 'resourceClaimChanged'; claim: DraResourceClaim; previous?: DraResourceClaim }
  | { kind: 'deviceClassChanged'; isNew: boolean }
  | { kind: 'resourceSliceChanged'; isNew: boolean }
  /** The waiting pod itself changed in fields that filters read. */
  | { kind: 'podChanged'; uid: string };

/** Whether an event may help a pod that the plugin has rejected. Kinds of events that are not listed never help. */
export type QueueingHint = { readonly [Kind in ClusterEvent['kind']]?: (event: EventOf<Kind>, pod: Pod) => boolean };

/** An event of this kind. */
export type EventOf<Kind extends ClusterEvent['kind']> = Extract<ClusterEvent, { kind: Kind }>;

const nodeActions: Readonly<Record<NodeChange, string>> = {
  labels: 'UpdateNodeLabel',
  taints: 'UpdateNodeTaint',
  unschedulable: 'UpdateNodeTaint',
  allocatable: 'UpdateNodeAllocatable',
};

/** The event as metrics name it. Source: upstream's ClusterEvent.Label. */
export function eventLabel(event: ClusterEvent): string {
  switch (event.kind) {
    case 'nodeAdded':
      return 'NodeAdd';
    case 'nodeUpdated': {
      const [first] = event.changes;
      return `Node${first === undefined || event.changes.size > 1 ? 'Update' : nodeActions[first]}`;
    }
    case 'nodeDeleted':
      return 'NodeDelete';
    case 'assignedPodChanged':
      return event.previous === undefined ? 'AssignedPodAdd' : 'AssignedPodUpdatePodLabel';
    case 'resourcesFreed':
      return 'AssignedPodDelete';
    case 'namespaceChanged':
      return 'NamespaceUpdate';
    case 'podChanged':
      return 'PodUpdate';
    case 'volumeDetached':
      return 'VolumeAttachmentDelete';
    case 'csiDriverUpdated':
      return 'CSIDriverUpdate';
    case 'volumeChanged':
      return `PersistentVolume${addOrUpdate(event)}`;
    case 'claimChanged':
      return `PersistentVolumeClaim${addOrUpdate(event)}`;
    case 'storageClassChanged':
      return `StorageClass${addOrUpdate(event)}`;
    case 'csiNodeChanged':
      return `CSINode${addOrUpdate(event)}`;
    case 'resourceClaimChanged':
      return `ResourceClaim${addOrUpdate(event)}`;
    case 'deviceClassChanged':
      return event.isNew ? 'DeviceClassAdd' : 'DeviceClassUpdate';
    case 'resourceSliceChanged':
      return event.isNew ? 'ResourceSliceAdd' : 'ResourceSliceUpdate';
    case 'storageCapacityChanged':
      return `CSIStorageCapacity${addOrUpdate(event)}`;
  }
}

const addOrUpdate = ({ previous }: { previous?: object }): string => (previous === undefined ? 'Add' : 'Update');

/** A property of a node that filters read. */
export type NodeChange = 'labels' | 'taints' | 'unschedulable' | 'allocatable';

/** The properties that differ between two states of a node. Pure. */
export function nodeChanges(node: Node, previous: Node): Set<NodeChange> {
  const changes = new Set<NodeChange>();
  if (!sameJson(node.metadata.labels ?? {}, previous.metadata.labels ?? {})) changes.add('labels');
  if (!sameJson(node.spec.taints ?? [], previous.spec.taints ?? [])) changes.add('taints');
  if (node.spec.unschedulable !== previous.spec.unschedulable) changes.add('unschedulable');
  if (!sameJson(node.status?.allocatable ?? {}, previous.status?.allocatable ?? {})) changes.add('allocatable');
  return changes;
}
