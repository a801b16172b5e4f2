/**
 * hostPath: a path of the node. The kubelet checks it, and makes it if its type asks for that; it never removes it.
 *
 * Source: upstream `pkg/volume/hostpath/host_path.go`.
 */
import type { Stats } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Folder, hasCode } from '#agent/host/safe-open.ts';
import { nothingOnDisk, type PluginDeps, type VolumePlugin } from '../plugin.ts';

/** `kubernetes.io/host-path`. Nothing of it lies in the pod's folder, so tear-down touches nothing. */
export const hostPathPlugin = ({ gate }: PluginDeps): VolumePlugin => ({
  name: 'kubernetes.io/host-path',
  supports: ({ hostPath }) => hostPath !== undefined,
  requiresRemount: () => false,
  ...nothingOnDisk,
  async setUp({ volume: { hostPath, readOnly = false } }) {
    const { path = '', type = '' } = hostPath ?? {};
    // Without a type the path is not looked at: it may lie on a filesystem that does not answer.
    if (type !== '') await gate.run(path, () => checkHostPath(path, type));
    return { hostPath: path, readOnly, isNodePath: true };
  },
});

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * Checks that the path has the type that the volume requires. For the types `DirectoryOrCreate` and `FileOrCreate` it makes a missing
 * folder (mode 0755) or file (mode 0644).
 * @throws Error `hostPath type check failed: <path> is not a …`
 */
export async function checkHostPath(path: string, type: string): Promise<void> {
  // Without a type the path is not looked at: it may lie on a filesystem that does not answer.
  if (type === '') return;
  let info = await statIfThere(path);
  if (info === undefined && type === 'DirectoryOrCreate') {
    await mkdir(path, { recursive: true, mode: 0o755 });
    info = await stat(path);
  }
  if (info === undefined && type === 'FileOrCreate') {
    await createFile(path);
    info = await statIfThere(path);
  }
  const expect = (right: boolean | undefined, what: string): void => {
    if (right !== true) throw new Error(`hostPath type check failed: ${path} is not a ${what}`);
  };
  switch (type) {
    case 'DirectoryOrCreate':
    case 'Directory':
      return expect(info?.isDirectory(), 'directory');
    case 'FileOrCreate':
    case 'File':
      return expect(info?.isFile(), 'file');
    case 'Socket':
      return expect(info?.isSocket(), 'socket file');
    case 'CharDevice':
      return expect(info?.isCharacterDevice(), 'character device');
    case 'BlockDevice':
      return expect(info?.isBlockDevice(), 'block device');
    default:
      throw new Error(`${type} is an invalid volume type`);
  }
}

/** Makes a file unless something is there. An existing entry is not opened: it may be a FIFO, which blocks whoever opens it. */
async function createFile(path: string): Promise<void> {
  await using folder = await Folder.open(dirname(path));
  try {
    await (await folder.createFile(basename(path), 0o644)).close();
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}
