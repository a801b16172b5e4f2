/**
 * Finds a pod's volumes in its folder. After a restart of the kubelet, the folder may be the only remains of a pod.
 *
 * Source: upstream `pkg/kubelet/volumemanager/reconciler/reconstruct_common.go` (getVolumesFromPodDir), `kubelet_getters.go`.
 */
import { join, relative } from 'node:path';
import type { Mounts } from '#agent/host/mount.ts';
import { type Folder, ifThere, openFolder, WrongFileTypeError } from '#agent/host/safe-open.ts';
import { type Paths, pluginDir } from '../paths.ts';
import type { ReconstructedVolume, VolumePlace, VolumePlugin } from './plugin.ts';
import { volumePlace } from './plugin.ts';

/** A volume that its plugin recognized. */
export interface FoundVolume {
  plugin: VolumePlugin;
  place: VolumePlace;
  volume: ReconstructedVolume;
}

/** The volumes of a pod by its folder. @throws Error when a folder cannot be read, or a plugin cannot reconstruct a volume */
export async function volumesOnDisk(
  paths: Paths,
  plugins: readonly VolumePlugin[],
  podUid: string,
): Promise<{ found: FoundVolume[] /** Paths of folders that no plugin recognizes. */; unknown: string[] }> {
  const found: FoundVolume[] = [];
  const unknown: string[] = [];
  const top = paths.volumesDir(podUid);
  for (const folder of await namesIn(paths.podsDir, top)) {
    const plugin = plugins.find(({ name }) => pluginDir(name) === folder);
    for (const name of await namesIn(paths.podsDir, join(top, folder))) {
      const one = plugin === undefined ? undefined : await find(plugin, volumePlace(paths, podUid, plugin.name, name));
      if (one === undefined) unknown.push(join(top, folder, name));
      else found.push(one);
    }
  }
  return { found, unknown };
}

async function find(plugin: VolumePlugin, place: VolumePlace): Promise<FoundVolume | undefined> {
  const volume = await plugin.reconstruct(place);
  return volume === undefined ? undefined : { plugin, place, volume };
}

/** The names in a folder; none when it does not exist, or a container with a hostPath put something else there. */
async function namesIn(podsDir: string, path: string): Promise<string[]> {
  let folder: Folder | undefined;
  try {
    folder = await ifThere(openFolder(podsDir, path));
    return (await folder?.list())?.map(({ name }) => name).sort() ?? [];
  } catch (error) {
    if (error instanceof WrongFileTypeError) return [];
    throw error;
  } finally {
    await folder?.[Symbol.asyncDispose]();
  }
}

/** A mount in a pod's folder that neither a volume plugin nor a subPath made. */
export interface ForeignMount {
  mountPoint: string;
  /** The volume in which it is; undefined outside of all volumes. */
  volume: string | undefined;
}

/** The mounts below the pod's folder that its volumes did not make. Reads the kernel's list only: no filesystem has to answer. */
export async function foreignMounts(
  { paths, mounts }: { paths: Paths; mounts: Mounts },
  podUid: string,
  found: readonly FoundVolume[],
): Promise<ForeignMount[]> {
  const own = new Set(found.flatMap(({ volume }) => volume.mountPoints));
  const foreign: ForeignMount[] = [];
  for (const { mountPoint } of await mounts.below(paths.podDir(podUid))) {
    if (own.has(mountPoint)) continue;
    const inSubPaths = stepsIn(paths.subPathsDir(podUid), mountPoint);
    // <volume>/<container>/<index> is the subPath itself.
    if (inSubPaths?.length === 3) continue;
    const volume = inSubPaths === undefined ? stepsIn(paths.volumesDir(podUid), mountPoint)?.[1] : inSubPaths[0];
    foreign.push({ mountPoint, volume });
  }
  return foreign;
}

/** The names that lead from `folder` to `path`; undefined when it is not below it. Pure. */
function stepsIn(folder: string, path: string): string[] | undefined {
  const steps = relative(folder, path).split('/');
  return steps[0] === '..' || steps[0] === '' ? undefined : steps;
}
