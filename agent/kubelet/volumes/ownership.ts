/** Gives a volume to the pod's fsGroup. Source: upstream `pkg/volume/volume_linux.go`. */
import type { Stats } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { type Folder, ifThere } from '#agent/host/safe-open.ts';

const readWriteBits = 0o660;
/** What a group gets of files that it may not write. */
export const readOnlyBits = 0o440;
const directoryBits = 0o110;
const setGroupId = 0o2000;

type Access = 'readWrite' | 'readOnly';

/** What a folder's or a file's mode becomes. Pure. */
const groupMode = (stats: Stats, access: Access): number =>
  (stats.mode & 0o7777) |
  (access === 'readWrite' ? readWriteBits : readOnlyBits) |
  (stats.isDirectory() ? directoryBits | setGroupId : 0);

/**
 * Group, and the group's permission bits, of the folder and everything below it; new files in it inherit the group. Links are
 * given away themselves, and never followed: what they lead to may be outside.
 */
export async function giveToGroup(
  folder: Folder,
  gid: number,
  access: Access,
  policy: 'Always' | 'OnRootMismatch' = 'Always',
): Promise<void> {
  const root = await folder.stat();
  if (policy === 'OnRootMismatch' && root.gid === gid && groupMode(root, access) === (root.mode & 0o7777)) return;
  for (const { name } of await folder.list()) await giveEntry(folder, name, gid, access);
  // The root last: its group tells that all below is done.
  await giveFolderItself(folder, gid, access);
}

/** Group and mode of the folder alone. */
export async function giveFolderItself(folder: Folder, gid: number, access: Access): Promise<void> {
  const stats = await folder.stat();
  await folder.chown(stats.uid, gid);
  await folder.chmod(groupMode(stats, access));
}

async function giveEntry(parent: Folder, name: string, gid: number, access: Access): Promise<void> {
  // It may go while we are at it.
  await using entry = await ifThere(parent.entry(name));
  if (entry === undefined) return;
  if (entry.stats.isDirectory()) {
    await using folder = await parent.folder(name);
    return await giveToGroup(folder, gid, access);
  }
  await chown(entry.at, entry.stats.uid, gid);
  if (!entry.stats.isSymbolicLink()) await chmod(entry.at, groupMode(entry.stats, access));
}
