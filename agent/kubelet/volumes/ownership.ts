/** Sets a volume's group to the pod's fsGroup. Source: upstream `pkg/volume/volume_linux.go`. */
import type { Stats } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { type Folder, ifThere } from '#agent/host/safe-open.ts';
import type { Pod } from '#api/types.generated.ts';

const readWriteBits = 0o660;
/** Permission bits that the fsGroup gets on files that it may not write. Source: upstream `volume_linux.go` (roMask). */
export const readOnlyBits = 0o440;
const directoryBits = 0o110;
const setGroupId = 0o2000;

type Access = 'readWrite' | 'readOnly';

/** The new mode of a folder or file. Pure. */
const groupMode = (stats: Stats, access: Access): number =>
  (stats.mode & 0o7777) |
  (access === 'readWrite' ? readWriteBits : readOnlyBits) |
  (stats.isDirectory() ? directoryBits | setGroupId : 0);

/**
 * Sets the group, and the group's permission bits, of the folder and everything below it; new files in it inherit the group. A
 * symbolic link gets the group itself and is never followed: it may lead out of the volume. With `OnRootMismatch`, nothing is
 * done when the folder itself has the right group and bits already.
 * @throws the file system's errors
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
  // The folder itself comes last: its group then shows that everything below it was changed (`OnRootMismatch` relies on that).
  await giveFolderItself(folder, gid, access);
}

/** Applies the pod's `fsGroup`, if it has one, to a volume that the pod may write to. @throws the file system's errors */
export async function giveToPod(folder: Folder, { spec }: Pod): Promise<void> {
  const { fsGroup, fsGroupChangePolicy } = spec.securityContext ?? {};
  const policy = fsGroupChangePolicy === 'OnRootMismatch' ? 'OnRootMismatch' : 'Always';
  if (fsGroup !== undefined) await giveToGroup(folder, fsGroup, 'readWrite', policy);
}

/** Sets group and permission bits of the folder alone. @throws the file system's errors */
export async function giveFolderItself(folder: Folder, gid: number, access: Access): Promise<void> {
  const stats = await folder.stat();
  await folder.chown(stats.uid, gid);
  await folder.chmod(groupMode(stats, access));
}

async function giveEntry(parent: Folder, name: string, gid: number, access: Access): Promise<void> {
  // A process in the container may remove the entry meanwhile.
  await using entry = await ifThere(parent.entry(name));
  if (entry === undefined) return;
  if (entry.stats.isDirectory()) {
    await using folder = await parent.folder(name);
    return await giveToGroup(folder, gid, access);
  }
  await chown(entry.at, entry.stats.uid, gid);
  if (!entry.stats.isSymbolicLink()) await chmod(entry.at, groupMode(entry.stats, access));
}
