/**
 * Writes a set of files so that a reader sees either all of the old or all of the new ones: the files lie in a new directory
 * `..<time>`, the link `..data` is swapped to it by one rename, and the visible names are links through `..data`.
 *
 * Source: upstream `pkg/volume/util/atomic_writer.go`.
 */
import { randomBytes } from 'node:crypto';
import { normalize } from 'node:path';
import { removeTree } from '#agent/host/remove-tree.ts';
import { type Folder, hasCode, ifThere, readAtMost, WrongFileTypeError } from '#agent/host/safe-open.ts';
import { readOnlyBits } from './ownership.ts';

/** One file of a volume. */
export interface PayloadFile {
  data: Uint8Array;
  /** Permission bits, such as 0o644. */
  mode: number;
  /** User ID of the owner, when it is not root. */
  uid?: number | undefined;
}

/** Files by their path within the volume, which may have several parts (`dir/file`). */
export type Payload = ReadonlyMap<string, PayloadFile>;

const dataLink = '..data';
const newDataLink = '..data_tmp';
/** The fsGroup adds {@link readOnlyBits} after the files are written, so these bits do not tell whether a file has changed. */
const ownModeBits = 0o777 & ~readOnlyBits;

/**
 * Checks a path of a payload. Pure.
 * @throws Error `invalid path: …` on a path that leaves the volume, or begins with `..` as the writer's own names do
 */
export function checkPayloadPath(path: string): void {
  const parts = path.split('/');
  if (path === '' || path.startsWith('/') || path.length > 4096)
    throw new Error(`invalid path: ${JSON.stringify(path)} must be a relative path of at most 4096 characters`);
  if (parts.includes('..')) throw new Error(`invalid path: must not contain '..': ${path}`);
  if (parts[0]?.startsWith('..') === true) throw new Error(`invalid path: must not start with '..': ${path}`);
}

/** Works in the folder that holds `path` within `top`; missing parents are made. */
async function withParent<T>(top: Folder, path: string, work: (parent: Folder, name: string) => Promise<T>): Promise<T> {
  const [first = '', ...rest] = path.split('/');
  if (rest.length === 0) return work(top, first);
  await using folder = await top.makeFolder(first, 0o755);
  return await withParent(folder, rest.join('/'), work);
}

/** Whether the folder holds these files and no others. Anything else that somebody put there makes the answer false. */
async function isCurrent(folder: Folder, payload: Payload): Promise<boolean> {
  const left = new Map(payload);
  return (await holdsOnly(folder, '', left)) && left.size === 0;
}

async function holdsOnly(folder: Folder, prefix: string, left: Map<string, PayloadFile>): Promise<boolean> {
  // One entry more than expected is enough to see that there are too many.
  for (const entry of await folder.list(left.size + 1)) {
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory()) {
      await using below = await folder.folder(entry.name);
      if (!(await holdsOnly(below, `${path}/`, left))) return false;
      continue;
    }
    const wanted = left.get(path);
    if (wanted === undefined) return false;
    await using file = await folder.openFile(entry.name);
    const { mode, uid, size } = await file.stat();
    if (size !== wanted.data.length || (mode & ownModeBits) !== (wanted.mode & ownModeBits)) return false;
    if (wanted.uid !== undefined && uid !== wanted.uid) return false;
    if (!(await readAtMost(file, size)).equals(wanted.data)) return false;
    left.delete(path);
  }
  return true;
}

/** The folder that `..data` leads to, when that is one that this writer made. */
async function currentName(target: Folder): Promise<string | undefined> {
  try {
    const name = await ifThere(target.readlink(dataLink));
    return name !== undefined && isDataFolder(name) ? name : undefined;
  } catch (error) {
    // It is no link.
    if (hasCode(error, 'EINVAL')) return undefined;
    throw error;
  }
}

const isDataFolder = (name: string): boolean =>
  name.startsWith('..') && name.length > 2 && !name.includes('/') && name !== dataLink;

async function isStillCurrent(target: Folder, name: string, payload: Payload): Promise<boolean> {
  try {
    await using folder = await ifThere(target.folder(name));
    return folder !== undefined && (await isCurrent(folder, payload));
  } catch (error) {
    if (error instanceof WrongFileTypeError) return false;
    throw error;
  }
}

async function writePayload(folder: Folder, payload: Payload): Promise<void> {
  for (const [path, { data, mode, uid }] of payload) {
    await withParent(folder, path, async (parent, name) => {
      await using file = await parent.createFile(name, mode);
      await file.writeFile(data);
      if (uid !== undefined) await file.chown(uid, (await file.stat()).gid);
    });
  }
}

/**
 * Makes `target` hold exactly `payload`. `prepare` runs after everything is written and before readers see it; when it fails,
 * readers keep the old files.
 * @returns whether anything had to change
 * @throws Error `invalid path: …`, what `prepare` throws, and the file system's errors
 */
export async function writeAtomically(target: Folder, given: Payload, prepare?: () => Promise<void>): Promise<boolean> {
  for (const path of given.keys()) checkPayloadPath(path);
  const payload: Payload = new Map([...given].map(([path, file]) => [normalize(path).replace(/\/$/, ''), file]));
  const old = await currentName(target);
  if (old !== undefined && (await isStillCurrent(target, old, payload))) {
    await linkVisible(target, payload);
    return false;
  }
  const stamp = new Date().toISOString().replace(/[-T:]/g, '_').slice(0, 19);
  const fresh = `..${stamp}.${randomBytes(5).toString('hex')}`;
  try {
    await using folder = await target.makeFolder(fresh, 0o755);
    await writePayload(folder, payload);
    await prepare?.();
    await removeTree(target, newDataLink);
    await target.symlink(fresh, newDataLink);
    if ((await target.look(dataLink))?.isDirectory() === true) await removeTree(target, dataLink);
    await target.rename(newDataLink, dataLink);
  } catch (error) {
    await removeTree(target, fresh);
    throw error;
  }
  await linkVisible(target, payload);
  if (old !== undefined) await removeTree(target, old);
  return true;
}

/** The first part of each path is a link through `..data`; links of paths that are gone are removed. */
async function linkVisible(target: Folder, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path));
  for (const name of wanted) {
    if ((await target.look(name)) === undefined) await target.symlink(`${dataLink}/${name}`, name);
  }
  for (const entry of await target.list()) {
    if (entry.name.startsWith('..') || wanted.has(entry.name) || !entry.isSymbolicLink()) continue;
    await ifThere(target.unlink(entry.name));
  }
}
