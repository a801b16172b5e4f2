/** Gives a volume to the pod's fsGroup. Source: upstream `pkg/volume/volume_linux.go`. */
import { chmod, lchown, lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

const readWriteBits = 0o660;
/** What a group gets of files that it may not write. */
export const readOnlyBits = 0o440;
const directoryBits = 0o110;
const setGroupId = 0o2000;

/** Group, and the group's permission bits, of everything below `path`; new files in it inherit the group. */
export async function giveToGroup(
  path: string,
  gid: number,
  access: 'readWrite' | 'readOnly',
  policy: 'Always' | 'OnRootMismatch' = 'Always',
): Promise<void> {
  if (policy === 'OnRootMismatch') {
    const root = await stat(path);
    if (root.gid === gid && (root.mode & setGroupId) !== 0) return;
  }
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  // The root last: its group tells that all below is done.
  for (const file of [...entries.map((entry) => join(entry.parentPath, entry.name)), path]) {
    const info = await lstat(file);
    await lchown(file, info.uid, gid);
    if (info.isSymbolicLink()) continue;
    const bits = (access === 'readWrite' ? readWriteBits : readOnlyBits) | (info.isDirectory() ? directoryBits | setGroupId : 0);
    await chmod(file, (info.mode & 0o7777) | bits);
  }
}
