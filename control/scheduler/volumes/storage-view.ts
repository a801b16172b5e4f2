/** What the volume plugins know of claims, volumes, classes and drivers. */
import type { NodeIdentity } from '#api/pod/node-selector.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttachment,
} from '#api/types.generated.ts';

/** The objects of storage at one moment. Undefined: there is none of this name. */
export interface StorageView {
  /** The claim, with a change that the scheduler has decided on and the API server does not show yet. */
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  /** The volume, in the same way. */
  volume(name: string): PersistentVolume | undefined;
  /** The volume that the claim would get for a pod on this node. @throws QuantityError, SelectorError the claim cannot be read */
  volumeFor(
    claim: PersistentVolumeClaim,
    node: Pick<NodeIdentity, 'labels'>,
    excluded: ReadonlySet<string>,
  ): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
  csiDriver(name: string): CSIDriver | undefined;
  /** Of the node with this name. */
  csiNode(name: string): CSINode | undefined;
  /** What storage there is for volumes of the class. */
  capacities(storageClass: string): Iterable<CSIStorageCapacity>;
  /** The volumes that are attached to the node, or are being attached or detached. */
  attachments(node: string): Iterable<VolumeAttachment>;
}

/** No storage at all. */
export const noStorage: StorageView = {
  claim: () => undefined,
  volume: () => undefined,
  volumeFor: () => undefined,
  storageClass: () => undefined,
  csiDriver: () => undefined,
  csiNode: () => undefined,
  capacities: () => [],
  attachments: () => [],
};
