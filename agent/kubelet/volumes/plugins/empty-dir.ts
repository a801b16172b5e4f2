/**
 * emptyDir: a folder that lives as long as its pod, on the node's disk or in memory.
 *
 * Source: upstream `pkg/volume/emptydir/empty_dir.go` (layout, modes, size in memory).
 */

import { makeFolders, openFolder } from '#agent/host/safe-open.ts';
import { amount } from '#api/pod/requests.ts';
import type { Pod, Volume } from '#api/types.generated.ts';
import type { PodFacts } from '../../container/field-ref.ts';
import { podLimit } from '../../resources/resources.ts';
import { giveToPod } from '../ownership.ts';
import { type PluginDeps, readyMarker, type VolumePlugin } from '../plugin.ts';
import { isFolderBelow, makeVolumeFolder, volumeFolder } from '../volume-folder.ts';

/** `kubernetes.io/empty-dir`. Once set up, containers may change the folder's mode and owner. */
export const emptyDirPlugin = (deps: PluginDeps): VolumePlugin => ({
  name: 'kubernetes.io/empty-dir',
  supports: ({ emptyDir }) => emptyDir !== undefined,
  requiresRemount: () => false,
  ...volumeFolder(deps),
  async setUp({ pod, volume, facts, place }) {
    const { podsDir } = deps.paths;
    const tmpfs = volume.emptyDir?.medium === 'Memory' ? { sizeBytes: memorySize(pod, volume, facts) } : undefined;
    const isNew = await makeVolumeFolder(deps, place, tmpfs);
    const marker = readyMarker(place);
    // After a reboot the tmpfs is empty, but the marker on disk is still there. So also check whether the tmpfs is new.
    if (isNew || !(await isFolderBelow(podsDir, marker))) {
      await using folder = await openFolder(podsDir, place.path);
      await folder.chmod(0o777);
      await giveToPod(folder, pod);
      await makeFolders(podsDir, marker, 0o750);
    }
    return { hostPath: place.path, readOnly: false };
  },
});

/**
 * The tmpfs' size in bytes: the least of the volume's sizeLimit, the pod's memory limit and the node's allocatable memory. Pure.
 */
function memorySize(pod: Pod, { emptyDir }: Volume, { allocatable }: PodFacts): number | undefined {
  const sizes = [
    amount('memory', allocatable['memory']),
    podLimit(pod, 'memory'),
    emptyDir?.sizeLimit === undefined ? undefined : amount('memory', emptyDir.sizeLimit),
  ].filter((size) => size !== undefined && size > 0);
  return sizes.length === 0 ? undefined : Math.min(...(sizes as number[]));
}
