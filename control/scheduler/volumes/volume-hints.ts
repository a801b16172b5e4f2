/** Which events may help pods that the volume plugins have rejected. Pure. Source: their EventsToRegister in upstream. */
import { sameJson } from '#api/meta.ts';
import { compareQuantity } from '#api/quantity.ts';
import { waitsForConsumer } from '#api/storage/binding.ts';
import type { CSINode, PersistentVolumeClaim, Pod } from '#api/types.generated.ts';
import type { QueueingHint } from '../cluster-event.ts';
import { conflictsInDisks } from '../filter/volume-restrictions.ts';
import { volumeTopologies } from '../filter/volume-zone.ts';
import { claimVolumes, volumeLimit } from './pod-volumes.ts';

const yes = (): boolean => true;
/** The plugins in whose place CSI drivers stand in, on this node. */
const migratedPlugins = 'storage.alpha.kubernetes.io/migrated-plugins';

/** By plugin. */
export const volumeHints: Readonly<Record<string, QueueingHint>> = {
  VolumeBinding: {
    nodeAdded: yes,
    nodeUpdated: ({ changes }) => changes.has('labels'),
    storageClassChanged: ({ storageClass, previous }) =>
      previous === undefined || !sameJson(storageClass.allowedTopologies ?? [], previous.allowedTopologies ?? []),
    claimChanged: ({ claim }, pod) => usesClaim(pod, claim, true),
    volumeChanged: yes,
    csiNodeChanged: ({ csiNode, previous }) =>
      previous === undefined ||
      csiNode.metadata.annotations?.[migratedPlugins] !== previous.metadata.annotations?.[migratedPlugins],
    csiDriverUpdated: ({ driver, previous }, { spec }) =>
      previous.spec.storageCapacity === true &&
      driver.spec.storageCapacity !== true &&
      (spec.volumes ?? []).some(({ csi, persistentVolumeClaim, ephemeral }) =>
        // Claims whose volume the driver would make are meant; upstream sees inline volumes only.
        csi === undefined ? persistentVolumeClaim !== undefined || ephemeral !== undefined : csi.driver === driver.metadata.name,
      ),
    storageCapacityChanged({ capacity, previous }) {
      if (previous === undefined) return true;
      const [now, before] = [volumeLimit(capacity), volumeLimit(previous)];
      return now !== undefined && (before === undefined || compareQuantity(now, before) > 0);
    },
  },
  VolumeZone: {
    nodeAdded: yes,
    nodeUpdated: ({ changes }) => changes.has('labels'),
    storageClassChanged: ({ storageClass, previous }) => previous === undefined && waitsForConsumer(storageClass),
    claimChanged: ({ claim }, pod) => usesClaim(pod, claim, false),
    volumeChanged: ({ volume, previous }) =>
      previous === undefined || !sameTopologies(volumeTopologies(volume), volumeTopologies(previous)),
  },
  NodeVolumeLimits: {
    csiNodeChanged: ({ csiNode, previous }) => previous === undefined || allowsMore(csiNode, previous),
    resourcesFreed: ({ pod }) => claimVolumes(pod).length > 0,
    claimChanged: ({ claim, previous }, pod) => previous === undefined && usesClaim(pod, claim, true),
    volumeDetached: (_, pod) => claimVolumes(pod).length > 0,
  },
  VolumeRestrictions: {
    nodeAdded: yes,
    resourcesFreed: ({ pod: gone }, pod) =>
      gone.metadata.namespace === pod.metadata.namespace && (conflictsInDisks(pod, gone) || shareClaim(pod, gone)),
    claimChanged: ({ claim, previous }, pod) => previous === undefined && usesClaim(pod, claim, false),
  },
};

/** @param ownToo whether claims of ephemeral volumes count */
const usesClaim = (pod: Pod, { metadata }: PersistentVolumeClaim, ownToo: boolean): boolean =>
  metadata.namespace === pod.metadata.namespace &&
  claimVolumes(pod).some(({ claimName, volume }) => claimName === metadata.name && (ownToo || volume.ephemeral === undefined));

function shareClaim(pod: Pod, other: Pod): boolean {
  const names = new Set((pod.spec.volumes ?? []).map(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName));
  return (other.spec.volumes ?? []).some(
    ({ persistentVolumeClaim }) => persistentVolumeClaim !== undefined && names.has(persistentVolumeClaim.claimName),
  );
}

type Topologies = ReturnType<typeof volumeTopologies>;
const sameTopologies = (a: Topologies, b: Topologies): boolean =>
  a.length === b.length &&
  a.every(({ key, values }, index) => key === b[index]?.key && values.symmetricDifference(b[index].values).size === 0);

/** Whether the node takes more volumes of some driver. */
function allowsMore({ spec }: CSINode, previous: CSINode): boolean {
  const before = new Map(previous.spec.drivers.map(({ name, allocatable }) => [name, allocatable?.count ?? 0]));
  return spec.drivers.some(({ name, allocatable }) => (allocatable?.count ?? 0) > (before.get(name) ?? 0));
}
