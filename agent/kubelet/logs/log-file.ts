/**
 * Container logs on disk. A container with a hostPath on its own log folder can put anything there: a FIFO, a link, a file of
 * terabytes. So the last three steps of a log's path, `<pod>/<container>/<restart>.log`, are opened one by one, and no link
 * is followed.
 */
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { removeTree } from '#agent/host/remove-tree.ts';
import { type Folder, ifThere, openFolder, WrongFileTypeError } from '#agent/host/safe-open.ts';

/** The folder of all pods' logs: only root writes to it. Pure. */
const podLogsRootOf = (logPath: string): string => dirname(dirname(dirname(logPath)));

/** Opens the folder that a log lies in. @throws ENOENT, WrongFileTypeError */
export const openLogFolder = (logPath: string): Promise<Folder> => openFolder(podLogsRootOf(logPath), dirname(logPath));

/** Opens a log to read. @throws ENOENT, WrongFileTypeError */
export async function openLog(logPath: string): Promise<FileHandle> {
  await using folder = await openLogFolder(logPath);
  return await folder.openFile(basename(logPath));
}

/** As {@link openLog}; undefined while no regular file has that name. */
export async function openLogIfThere(logPath: string): Promise<FileHandle | undefined> {
  try {
    return await ifThere(openLog(logPath));
  } catch (error) {
    if (error instanceof WrongFileTypeError) return undefined;
    throw error;
  }
}

/** Removes a container's log and the rotated logs before it. Source: upstream `ContainerLogManager.Clean`. */
export async function removeLogs(logPath: string): Promise<void> {
  await using folder = await ifThere(openLogFolder(logPath));
  if (folder === undefined) return;
  const name = basename(logPath);
  await removeTree(folder, name);
  for (const entry of await folder.list())
    if (entry.name.startsWith(`${name}.`) && entry.isFile()) await ifThere(folder.unlink(entry.name));
}
