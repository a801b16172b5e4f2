/** Rejects nodes in another zone or region than the labels of the pod's volumes say. Source: upstream `plugins/volumezone`. */
import { legacyRegionLabel, legacyZoneLabel, regionLabel, zoneLabel } from '#api/node-labels.ts';
import { ownValue } from '#api/own-value.ts';
import { classOf, waitsForConsumer } from '#api/storage/binding.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import { type FilterPlugin, rejectionOf, skip } from '../framework.ts';
import type { StorageView } from '../volumes/storage-view.ts';

const name = 'VolumeZone';
const conflict = rejectionOf(name, false, 'node(s) had no available volume zone');
const currentNames: Readonly<Record<string, string>> = {
  [legacyZoneLabel]: zoneLabel,
  [legacyRegionLabel]: regionLabel,
};
const topologyLabels = [...Object.keys(currentNames), ...Object.values(currentNames)];

/** A label of a volume and the values that a node may have. */
interface VolumeTopology {
  key: string;
  values: ReadonlySet<string>;
}

/** The filter VolumeZone. */
export const volumeZone: FilterPlugin = {
  name,
  prepare({ metadata, spec }, { storage }) {
    const topologies: VolumeTopology[] = [];
    for (const { persistentVolumeClaim } of spec.volumes ?? []) {
      if (persistentVolumeClaim === undefined) continue;
      const { claimName } = persistentVolumeClaim;
      const found = topologiesOf(storage.claim(metadata.namespace ?? '', claimName), claimName, storage);
      if (typeof found === 'string') return { kind: 'refuse', rejection: rejectionOf(name, false, found) };
      topologies.push(...found);
    }
    if (topologies.length === 0) return skip;
    return {
      kind: 'check',
      check({ labels }) {
        // A cluster of a single zone may have no labels.
        if (!topologyLabels.some((key) => Object.hasOwn(labels, key))) return undefined;
        const fits = topologies.every(({ key, values }) => {
          const value = ownValue(labels, key) ?? ownValue(labels, currentNames[key] ?? key);
          return value !== undefined && values.has(value);
        });
        return fits ? undefined : conflict;
      },
    };
  },
};

/** What the claim's volume asks of nodes, or why no node can be right. */
function topologiesOf(
  claim: PersistentVolumeClaim | undefined,
  claimName: string,
  storage: StorageView,
): VolumeTopology[] | string {
  if (claim === undefined) return `persistentvolumeclaim "${claimName}" not found`;
  const volumeName = claim.spec.volumeName ?? '';
  if (volumeName !== '') {
    const volume = storage.volume(volumeName);
    return volume === undefined ? `persistentvolume "${volumeName}" not found` : volumeTopologies(volume);
  }
  const className = classOf(claim);
  if (className === '') return 'PersistentVolumeClaim had no pv name and storageClass name';
  const storageClass = storage.storageClass(className);
  if (storageClass === undefined) return `storageclass.storage.k8s.io "${className}" not found`;
  return waitsForConsumer(storageClass) ? [] : 'PersistentVolume had no name';
}

/** The zones and regions of a volume. Several are written as `a__b`; what is written otherwise counts for nothing. */
export function volumeTopologies({ metadata }: PersistentVolume): VolumeTopology[] {
  return topologyLabels.flatMap((key) => {
    const value = ownValue(metadata.labels ?? {}, key);
    const values = value?.split('__').map((one) => one.trim());
    return values === undefined || values.includes('') ? [] : [{ key, values: new Set(values) }];
  });
}
