/**
 * The folder of a volume on this node, on disk or on its own tmpfs.
 *
 * Source: upstream `pkg/volume/emptydir/empty_dir.go`, which upstream's other types with files use too.
 */
import { basename, dirname } from 'node:path';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import { ifThere, makeFolders, openFolder, WrongFileTypeError } from '#agent/host/safe-open.ts';
import type { PluginDeps, ReconstructedVolume, VolumePlace, VolumePlugin } from './plugin.ts';

type FolderDeps = Pick<PluginDeps, 'paths' | 'mounts'>;

/** A RAM filesystem; without a size, half of the machine's memory is its limit. */
export interface Tmpfs {
  sizeBytes?: number | undefined;
}

/**
 * Makes the volume's folder, and mounts the tmpfs on it unless something is mounted there already.
 * @returns whether the tmpfs was mounted just now: the folder is then empty, also after a restart of the machine
 * @throws Error when it cannot be made or mounted
 */
export async function makeVolumeFolder({ paths, mounts }: FolderDeps, { path }: VolumePlace, tmpfs?: Tmpfs): Promise<boolean> {
  await makeFolders(paths.podsDir, path, 0o750);
  if (tmpfs === undefined || (await mounts.isMountPoint(path))) return false;
  await mounts.mountTmpfs(path, tmpfs);
  return true;
}

/** Whether there is a folder below the pods' folder, reached without links. */
export async function isFolderBelow(podsDir: string, path: string): Promise<boolean> {
  await using folder = await ifThere(openFolder(podsDir, path));
  return folder !== undefined;
}

/** `tearDown` and `reconstruct` of a type whose volumes are such folders. */
export const volumeFolder = (deps: FolderDeps): Pick<VolumePlugin, 'tearDown' | 'reconstruct'> => ({
  tearDown: (place) => removeVolumeFolder(deps, place),
  reconstruct: (place) => findVolumeFolder(deps, place),
});

async function removeVolumeFolder({ paths, mounts }: FolderDeps, { path, metadataPath }: VolumePlace): Promise<void> {
  await mounts.unmountBelow(path);
  await removeTreeBelow(paths.podsDir, path);
  await removeTreeBelow(paths.podsDir, metadataPath);
}

async function findVolumeFolder({ paths, mounts }: FolderDeps, { path }: VolumePlace): Promise<ReconstructedVolume | undefined> {
  try {
    await using parent = await ifThere(openFolder(paths.podsDir, dirname(path)));
    // The parent is listed and the folder is not opened: a filesystem that does not answer may be mounted on it.
    const entries = (await parent?.list()) ?? [];
    if (!entries.some((entry) => entry.name === basename(path) && entry.isDirectory())) return undefined;
  } catch (error) {
    if (error instanceof WrongFileTypeError) return undefined;
    throw error;
  }
  const own = (await mounts.below(path)).filter(({ mountPoint, fsType }) => mountPoint === path && fsType === 'tmpfs');
  return { mountPoints: own.map(({ mountPoint }) => mountPoint) };
}
