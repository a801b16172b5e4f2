/**
 * Writes a set of files so that a reader sees either all of the old or all of the new ones: the files lie in a new directory
 * `..<time>`, the link `..data` is swapped to it by one rename, and the visible names are links through `..data`.
 *
 * Source: upstream `pkg/volume/util/atomic_writer.go`.
 */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readOnlyBits } from './ownership.ts';

export interface PayloadFile {
  data: Uint8Array;
  mode: number;
  /** Owner, when it is not root. */
  uid?: number | undefined;
}

/** Files by relative path, which may have several parts. */
export type Payload = ReadonlyMap<string, PayloadFile>;

const dataLink = '..data';
const newDataLink = '..data_tmp';
/** All but those that a volume's fsGroup adds after the files are written. */
const ownModeBits = 0o777 & ~readOnlyBits;

/** @throws Error on a path that leaves the volume or hides the writer's own names */
export function checkPayloadPath(path: string): void {
  const parts = path.split('/');
  if (path === '' || path.startsWith('/') || path.length > 4096)
    throw new Error(`invalid path: ${JSON.stringify(path)} must be a relative path of at most 4096 characters`);
  if (parts.includes('..')) throw new Error(`invalid path: must not contain '..': ${path}`);
  if (parts[0]?.startsWith('..') === true) throw new Error(`invalid path: must not start with '..': ${path}`);
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Paths of all files below a directory. */
async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}

async function isCurrent(directory: string, payload: Payload): Promise<boolean> {
  const present = await filesBelow(directory);
  if (present.length !== payload.size) return false;
  for (const path of present) {
    const wanted = payload.get(path);
    if (wanted === undefined) return false;
    const file = join(directory, path);
    const [data, info] = await Promise.all([readFile(file), stat(file)]);
    if (!data.equals(wanted.data) || (info.mode & ownModeBits) !== (wanted.mode & ownModeBits)) return false;
    if (wanted.uid !== undefined && info.uid !== wanted.uid) return false;
  }
  return true;
}

async function writePayload(directory: string, payload: Payload): Promise<void> {
  for (const [path, { data, mode, uid }] of payload) {
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFile(file, data, { mode });
    // The umask does not apply to what the pod asked for.
    await chmod(file, mode);
    if (uid !== undefined) await chown(file, uid, -1);
  }
}

/** Makes `target` hold exactly `payload`. @returns whether anything had to change */
export async function writeAtomically(
  target: string,
  payload: Payload,
  prepare?: (directory: string) => Promise<void>,
): Promise<boolean> {
  for (const path of payload.keys()) checkPayloadPath(path);
  const old = await orUndefined(readlink(join(target, dataLink)));
  if (old !== undefined && (await orUndefined(isCurrent(join(target, old), payload))) === true) {
    await linkVisible(target, payload);
    return false;
  }
  const stamp = new Date().toISOString().replace(/[-T:]/g, '_').slice(0, 19);
  const directory = await mkdtemp(join(target, `..${stamp}.`));
  try {
    await chmod(directory, 0o755);
    await writePayload(directory, payload);
    await prepare?.(directory);
    await rm(join(target, newDataLink), { force: true });
    await symlink(directory.slice(target.length + 1), join(target, newDataLink));
    await rename(join(target, newDataLink), join(target, dataLink));
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  await linkVisible(target, payload);
  if (old !== undefined) await rm(join(target, old), { recursive: true, force: true });
  return true;
}

/** The first part of each path is a link through `..data`; links of paths that are gone are removed. */
async function linkVisible(target: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path));
  for (const name of wanted) {
    if ((await orUndefined(lstat(join(target, name)))) === undefined) await symlink(join(dataLink, name), join(target, name));
  }
  for (const entry of await readdir(target, { withFileTypes: true })) {
    if (entry.name.startsWith('..') || wanted.has(entry.name) || !entry.isSymbolicLink()) continue;
    await unlink(join(target, entry.name));
  }
}
