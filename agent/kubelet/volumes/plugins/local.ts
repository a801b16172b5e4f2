/**
 * local: a folder of this node as a PersistentVolume. It is bind-mounted into the pod's folder; nothing of it is ever removed.
 *
 * Source: upstream `pkg/volume/local/local.go`.
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, makeFolders, openFolder } from '#agent/host/safe-open.ts';
import { pluginDir } from '../../paths.ts';
import { makeLocalPath } from '../local-path.ts';
import { giveToPod } from '../ownership.ts';
import { MountStepError, type PluginDeps, type VolumePlace, type VolumePlugin } from '../plugin.ts';
import { volumeFolder } from '../volume-folder.ts';

const name = 'kubernetes.io/local-volume';

/**
 * Supports folders only; upstream also formats and mounts block devices. Only the first pod that uses the volume applies its fsGroup,
 * because pods that share the volume would otherwise change the group again and again.
 */
export const localPlugin = (deps: PluginDeps): VolumePlugin => {
  const { paths, mounts, gate } = deps;
  return {
    name,
    supports: ({ local }) => local !== undefined,
    requiresRemount: () => false,
    tearDown: volumeFolder(deps).tearDown,
    async reconstruct(place) {
      const found = await volumeFolder(deps).reconstruct(place);
      if (found === undefined) return undefined;
      // Any mount at exactly this path is the volume; its filesystem is the user's choice.
      return { mountPoints: (await mounts.isMountPoint(place.path)) ? [place.path] : [] };
    },
    async setUp({ pod, volume, place }) {
      const { path = '' } = volume.local ?? {};
      const readOnly = volume.readOnly === true;
      const done = { hostPath: place.path, readOnly, isNodePath: true } as const;
      if (volume.isLocalPath === true) await makeLocalPath(paths, volume.name, path);
      await gate.run(path, () => checkFolder(volume.name, path));
      if (await mounts.isMountPoint(place.path)) return done;
      const isShared = await isMountedElsewhere(deps, place);
      await makeFolders(paths.podsDir, place.path, 0o750);
      await gate.run(path, () => mounts.bind(path, place.path));
      if (readOnly || isShared) return done;
      await gate.run(path, async () => {
        await using folder = await openFolder(paths.podsDir, place.path);
        await giveToPod(folder, pod);
      });
      return done;
    },
  };
};

async function checkFolder(volume: string, path: string): Promise<void> {
  const failed = (why: string): MountStepError => new MountStepError('MountVolume.NewMounter initialization failed', volume, why);
  if (path === '') throw failed('local volume source is nil or local path is not set');
  try {
    if ((await stat(path)).isDirectory()) return;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) throw failed(`path ${JSON.stringify(path)} does not exist`);
    throw error;
  }
  throw failed('only directory and block device are supported');
}

/** Whether another pod of this node has mounted the volume. */
async function isMountedElsewhere({ paths, mounts }: PluginDeps, { path, volume }: VolumePlace): Promise<boolean> {
  const end = join('/volumes', pluginDir(name), volume);
  return (await mounts.below(paths.podsDir)).some(({ mountPoint }) => mountPoint.endsWith(end) && mountPoint !== path);
}
