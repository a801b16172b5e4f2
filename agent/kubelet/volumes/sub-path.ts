/**
 * Single paths within a volume (`subPath`, `subPathExpr`): never outside of it, even when the container's own processes plant
 * symbolic links there. Source: upstream `pkg/volume/util/subpath`.
 */
import { constants } from 'node:fs';
import { mkdir, open, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Mounts } from '#agent/host/mount.ts';

/** Makes `subPath` of the volume available at `target` by a bind mount. @throws Error when it leads out of the volume */
export async function bindSubPath(mounts: Mounts, volumePath: string, subPath: string, target: string): Promise<string> {
  const root = await realpath(volumePath);
  await createInside(root, subPath);
  const source = await realpath(join(root, subPath));
  if (source !== root && !source.startsWith(`${root}/`)) throw new Error(`subpath "${source}" not within volume path "${root}"`);
  if (await mounts.isMountPoint(target)) return target;
  // The open handle, not the path, is what gets mounted: what happens to the path meanwhile does not matter.
  const handle = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await mkdir(dirname(target), { recursive: true });
    if ((await handle.stat()).isDirectory()) await mkdir(target, { recursive: true });
    else await writeFile(target, '', { flag: 'a' });
    await mounts.bindHandle(handle.fd, root, target);
  } finally {
    await handle.close();
  }
  return target;
}

/** Makes missing directories one by one, refusing to pass through a link that leads out. */
async function createInside(root: string, subPath: string): Promise<void> {
  const mode = (await stat(root)).mode & 0o777;
  let current = root;
  for (const part of subPath.split('/').filter((name) => name !== '' && name !== '.')) {
    if (part === '..') throw new Error(`subpath "${subPath}" must not contain ".."`);
    const next = join(current, part);
    try {
      current = await realpath(next);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      await mkdir(next, { mode: mode | 0o750 });
      current = next;
    }
    if (current !== root && !current.startsWith(`${root}/`))
      throw new Error(`subpath "${current}" not within volume path "${root}"`);
  }
}
