/** hostPath volumes: the check that their type asks for. Source: upstream `pkg/volume/hostpath/host_path.go`. */
import { constants, type Stats } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { hasCode } from '#agent/host/safe-open.ts';

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** @throws Error `hostPath type check failed: <path> is not a …` */
export async function checkHostPath(path: string, type: string): Promise<void> {
  let info = await statIfThere(path);
  if (info === undefined && type === 'DirectoryOrCreate') {
    await mkdir(path, { recursive: true, mode: 0o755 });
    info = await stat(path);
  }
  if (info === undefined && type === 'FileOrCreate') {
    // Only a new one is opened: what came there meanwhile may be a FIFO, which blocks whoever opens it.
    await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644).then(
      (file) => file.close(),
      (error: unknown) => {
        if (!hasCode(error, 'EEXIST')) throw error;
      },
    );
    info = await statIfThere(path);
  }
  const expect = (right: boolean | undefined, what: string): void => {
    if (right !== true) throw new Error(`hostPath type check failed: ${path} is not a ${what}`);
  };
  switch (type) {
    case '':
      return;
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
