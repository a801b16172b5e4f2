/**
 * Removes a folder that a container could write to. It never follows a symbolic link and never enters a mount, so the data that a
 * user mounted there from a hostPath or from another machine stays.
 *
 * Source: upstream `pkg/util/removeall` (RemoveAllOneFilesystem), unlinkat(2).
 */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { Folder, hasCode, ifThere, openFolder, stepsBelow } from './safe-open.ts';

/**
 * Limit of nested folders that are held open. A deeper folder is first moved up, because a container may nest a hundred thousand
 * of them.
 */
const maxDepth = 32;
/** How many names are read at once: a container may make millions of files. */
const batch = 1000;

/**
 * Removes `path` and everything below it. Absent is success. `root` is trusted, everything below it is not. @throws Error for a
 * mount
 */
export async function removeTreeBelow(root: string, path: string): Promise<void> {
  const name = stepsBelow(root, path).at(-1) ?? '';
  await using parent = await ifThere(openFolder(root, dirname(path)));
  if (parent !== undefined) await removeTree(parent, name);
}

/**
 * Removes an entry of any type and everything below it. Absent is success. @throws Error for a mount; otherwise the first error
 */
export async function removeTree(parent: Folder, name: string): Promise<void> {
  const found = await parent.look(name);
  if (found === undefined) return;
  if (!found.isDirectory()) return removeFile(parent, name);
  await using folder = await ifThere(parent.folder(name));
  if (folder === undefined) return;
  await refuseMount(parent, folder);
  await empty(folder, folder, 0);
  await ifThere(parent.rmdir(name));
}

async function removeFile(parent: Folder, name: string): Promise<void> {
  try {
    await ifThere(parent.unlink(name));
  } catch (error) {
    if (!hasCode(error, 'EBUSY')) throw error;
    throw mountPoint(`${parent.path}/${name}`, error);
  }
}

const mountPoint = (path: string, cause?: unknown): Error =>
  Object.assign(new Error(`${path} is a mount point: what is mounted there is not removed; unmount it`, { cause }), {
    code: 'EBUSY',
  });

async function refuseMount(parent: Folder, folder: Folder): Promise<void> {
  if ((await parent.mountId()) !== (await folder.mountId())) throw mountPoint(folder.path);
}

/** Removes everything that can be removed, and then throws the first error. */
async function empty(folder: Folder, top: Folder, depth: number): Promise<void> {
  const failed = new Map<string, unknown>();
  for (;;) {
    const entries = (await folder.list(batch + failed.size)).filter(({ name }) => !failed.has(name));
    if (entries.length === 0) break;
    for (const { name } of entries.filter((entry) => !entry.isDirectory())) {
      await removeFile(folder, name).catch((error: unknown) => failed.set(name, error));
    }
    for (const { name } of entries.filter((entry) => entry.isDirectory())) {
      await removeFolder(folder, name, top, depth).catch((error: unknown) => failed.set(name, error));
    }
  }
  for (const failure of failed.values()) throw failure;
}

async function removeFolder(parent: Folder, name: string, top: Folder, depth: number): Promise<void> {
  if (depth >= maxDepth) return parent.rename(name, `..removed-${randomUUID()}`, top);
  {
    await using folder = await ifThere(parent.folder(name));
    if (folder === undefined) return;
    await refuseMount(parent, folder);
    await empty(folder, top, depth + 1);
  }
  await ifThere(parent.rmdir(name));
}
