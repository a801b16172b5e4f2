/**
 * Opens files and folders that a container may have planted. It walks the path one step at a time from a folder that is held
 * open, does not follow symbolic links, and opens only regular files and folders.
 *
 * Why: opening a FIFO blocks, and four of them block all threads that Node has for files. Opening a device has side effects. A
 * link leads to files of other users, also when it replaces a parent folder between a check and its use.
 *
 * How: Node has no openat(2), but `/proc/self/fd/<n>/<name>` names an entry of exactly the folder that is open as `n`. An entry
 * is first opened with O_PATH, which does not open the FIFO or device itself. When it is known to be a regular file, the same
 * inode is opened for reading.
 *
 * Source: open(2), proc_pid_fd(5), path_resolution(7); upstream `pkg/volume/util/subpath/subpath_linux.go`.
 */
import type { Dirent, Stats } from 'node:fs';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, readlink, rename, rmdir, symlink, unlink } from 'node:fs/promises';
import { basename, dirname, relative } from 'node:path';

/** Refers to an inode without opening it. The value is Linux' on x86-64 and arm64; `node:fs` has no constant for it. */
const O_PATH = 0o10000000;
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_TRUNC } = constants;

/** The path names something other than the regular file or folder that is needed. */
export class WrongFileTypeError extends Error {
  /** The code that the kernel gives for a file in place of a folder, so that callers need to ask for only one code. */
  readonly code = 'ENOTDIR';
  constructor(path: string, found: string, wanted: string) {
    super(`${path} is a ${found}, not a ${wanted}`);
    this.name = 'WrongFileTypeError';
  }
}

/** The type of a file in words, for messages. Pure. */
export function fileType(stats: Stats): string {
  if (stats.isFile()) return 'regular file';
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'symbolic link';
  if (stats.isFIFO()) return 'FIFO';
  if (stats.isSocket()) return 'socket';
  return 'device';
}

/** Whether an error of the system has one of these codes (`ENOENT` …). */
export const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** The result of `promise`, or undefined when it fails with ENOENT. */
export async function ifThere<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** An inode that is held with O_PATH: not opened for reading or writing. */
export class Entry {
  readonly stats: Stats;
  readonly #handle: FileHandle;
  readonly #path: string;
  constructor(handle: FileHandle, stats: Stats, path: string) {
    this.#handle = handle;
    this.stats = stats;
    this.#path = path;
  }
  /**
   * A path that names this inode, even if its own path names another file now. For chmod, chown (also of a link itself) and bind
   * mounts.
   */
  get at(): string {
    return `/proc/self/fd/${this.#handle.fd}`;
  }
  /** Like {@link at}, but for another process. */
  get atForOthers(): string {
    return `/proc/${process.pid}/fd/${this.#handle.fd}`;
  }
  /** Identifies the inode on this machine: device and inode number. */
  async id(): Promise<string> {
    const { dev, ino } = await this.#handle.stat({ bigint: true });
    return `${dev}:${ino}`;
  }
  /**
   * Opens the file. It never blocks; when another process holds a lease on the file, it fails with EAGAIN. @throws
   * WrongFileTypeError unless it is a regular file
   */
  async openFile(flags: number = O_RDONLY): Promise<FileHandle> {
    if (!this.stats.isFile()) throw new WrongFileTypeError(this.#path, fileType(this.stats), 'regular file');
    return open(this.at, flags | O_NONBLOCK);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** A folder that is held open. Its entries are reached through the open folder, not through its path. */
export class Folder {
  readonly #handle: FileHandle;
  /** The path at the time of opening. For messages only. */
  readonly path: string;
  #mountId: Promise<string> | undefined;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.path = path;
  }

  /** Opens a folder and follows links. Use it only when no container can write to the folder's parents. */
  static async open(path: string): Promise<Folder> {
    return new Folder(await open(path, O_RDONLY | O_DIRECTORY), path);
  }

  /** A path to an entry of this open folder. The caller must not follow a link as the last step. */
  at(name: string): string {
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0'))
      throw new Error(`${JSON.stringify(name)} is not a name in ${this.path}`);
    return `${this.self}/${name}`;
  }

  /** A path to this open folder. */
  get self(): string {
    return `/proc/self/fd/${this.#handle.fd}`;
  }

  stat(): Promise<Stats> {
    return this.#handle.stat();
  }

  /** This open folder, held as an entry. */
  async hold(): Promise<Entry> {
    const handle = await open(this.self, O_PATH);
    return new Entry(handle, await handle.stat(), this.path);
  }

  chmod(mode: number): Promise<void> {
    return this.#handle.chmod(mode);
  }

  chown(uid: number, gid: number): Promise<void> {
    return this.#handle.chown(uid, gid);
  }

  /** Holds an entry of any type. @throws ENOENT when it does not exist */
  async entry(name: string): Promise<Entry> {
    const handle = await this.#named(open(this.at(name), O_PATH | O_NOFOLLOW));
    try {
      return new Entry(handle, await handle.stat(), `${this.path}/${name}`);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The attributes of an entry (of a link itself, not of its target); undefined when it does not exist. */
  async look(name: string): Promise<Stats | undefined> {
    await using entry = await ifThere(this.entry(name));
    return entry?.stats;
  }

  /** Opens a regular file. @throws ENOENT, {@link WrongFileTypeError} */
  async openFile(name: string, flags: number = O_RDONLY): Promise<FileHandle> {
    await using entry = await this.entry(name);
    return await entry.openFile(flags);
  }

  /** Makes and opens a new file. @throws EEXIST when the name is taken, also by a link without a target */
  async createFile(name: string, mode: number): Promise<FileHandle> {
    const file = await this.#named(open(this.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    // The umask was applied when the file was made. This sets the mode that the caller asked for.
    await file.chmod(mode);
    return file;
  }

  /** Opens a folder of this folder. @throws ENOENT, {@link WrongFileTypeError} also for a link to a folder */
  async folder(name: string): Promise<Folder> {
    try {
      return new Folder(await open(this.at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW), `${this.path}/${name}`);
    } catch (error) {
      const found = hasCode(error, 'ENOTDIR', 'ELOOP') ? await this.look(name) : undefined;
      if (found === undefined) return this.#named(Promise.reject(error));
      throw new WrongFileTypeError(`${this.path}/${name}`, fileType(found), 'folder');
    }
  }

  /** Opens a folder. When it does not exist, it is made with exactly `mode`. */
  async makeFolder(name: string, mode: number): Promise<Folder> {
    const there = await ifThere(this.folder(name));
    if (there !== undefined) return there;
    try {
      await this.#named(mkdir(this.at(name), mode));
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      return this.folder(name);
    }
    const made = await this.folder(name);
    await made.chmod(mode);
    return made;
  }

  /** At most `limit` entries, unordered. Their types are those of the entries themselves, not of the targets of links. */
  async list(limit: number = Number.MAX_SAFE_INTEGER): Promise<Dirent[]> {
    const entries: Dirent[] = [];
    await using folder = await this.#named(opendir(this.self, { bufferSize: 256 }));
    while (entries.length < limit) {
      const entry = await folder.read();
      if (entry === null) break;
      entries.push(entry);
    }
    return entries;
  }

  readlink(name: string): Promise<string> {
    return this.#named(readlink(this.at(name)));
  }
  symlink(target: string, name: string): Promise<void> {
    return this.#named(symlink(target, this.at(name)));
  }
  /** Moves an entry, within this folder or into another one. An entry that has the new name is replaced. */
  rename(from: string, to: string, into: Folder = this): Promise<void> {
    return this.#named(rename(this.at(from), into.at(to)));
  }
  unlink(name: string): Promise<void> {
    return this.#named(unlink(this.at(name)));
  }
  rmdir(name: string): Promise<void> {
    return this.#named(rmdir(this.at(name)));
  }

  /**
   * The id of the mount through which the folder was opened. A bind mount of the same filesystem has another id. Source:
   * proc_pid_fdinfo(5).
   */
  mountId(): Promise<string> {
    this.#mountId ??= readSmallFile(`/proc/self/fdinfo/${this.#handle.fd}`, 4096).then(
      (text) => /^mnt_id:\s*(\d+)$/m.exec(text)?.[1] ?? '',
    );
    return this.#mountId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  /** The kernel's errors name the path under /proc/self/fd. Replaces it with the real path. */
  async #named<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      if (error instanceof Error) error.message = error.message.replaceAll(this.self, this.path);
      throw error;
    }
  }
}

/**
 * Writes a regular file with this text and mode. An existing file keeps its inode, because containers may have it mounted.
 * @throws WrongFileTypeError when the name is taken by something other than a regular file
 */
export async function writeFileIn(folder: Folder, name: string, text: string | Uint8Array, mode: number): Promise<void> {
  await using file = (await ifThere(folder.openFile(name, O_WRONLY | O_TRUNC))) ?? (await folder.createFile(name, mode));
  await file.writeFile(text);
}

/** The names on the way from `root` to `path`. Pure. @throws Error when `path` is not below `root` */
export function stepsBelow(root: string, path: string): string[] {
  const steps = relative(root, path).split('/');
  if (steps[0] === '' || steps[0] === '..') throw new Error(`${path} is not below ${root}`);
  return steps;
}

/**
 * Opens a folder below `root`. `root` is trusted, everything below it is not. With `makeMode`, missing folders are made, `root`
 * included. @throws ENOENT, {@link WrongFileTypeError}
 */
export async function openFolder(root: string, path: string, makeMode?: number): Promise<Folder> {
  if (makeMode !== undefined) await mkdir(root, { recursive: true, mode: 0o755 });
  let folder = await Folder.open(root);
  if (relative(root, path) === '') return folder;
  for (const step of stepsBelow(root, path)) {
    await using parent = folder;
    folder = makeMode === undefined ? await parent.folder(step) : await parent.makeFolder(step, makeMode);
  }
  return folder;
}

/** Makes the folder and its parents below `root`, which is trusted. */
export async function makeFolders(root: string, path: string, mode: number): Promise<void> {
  const folder = await openFolder(root, path, mode);
  await folder[Symbol.asyncDispose]();
}

/** Size of the first read. The buffer grows with the file, and is not allocated at the size of the limit. */
const firstReadBytes = 16 * 1024;

/**
 * Reads at most `maxBytes` from `position` on. It allocates memory for the bytes that are read, so the limit may be far larger
 * than the file.
 */
export async function readAtMost(file: FileHandle, maxBytes: number, position = 0): Promise<Buffer> {
  let buffer = Buffer.alloc(Math.min(maxBytes, firstReadBytes));
  let length = 0;
  while (length < maxBytes) {
    if (length === buffer.length) buffer = Buffer.concat([buffer], Math.min(maxBytes, 2 * length));
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, position + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

/**
 * The text of a small file that belongs to the node or to the agent. Links are followed, because /etc/resolv.conf may be one.
 * @throws WrongFileTypeError for a file that would block or never end; Error for one larger than `maxBytes`
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<string> {
  await using held = await open(path, O_PATH);
  await using file = await new Entry(held, await held.stat(), path).openFile();
  const bytes = await readAtMost(file, maxBytes + 1);
  if (bytes.length > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
  return bytes.toString('utf8');
}

/** Like {@link readSmallFile}, but synchronous. */
export function readSmallFileSync(path: string, maxBytes: number): string {
  const held = openSync(path, O_PATH);
  try {
    const stats = fstatSync(held);
    if (!stats.isFile()) throw new WrongFileTypeError(path, fileType(stats), 'regular file');
    if (stats.size > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
    return readFileSync(`/proc/self/fd/${held}`, {
      encoding: 'utf8',
      flag: O_RDONLY | O_NONBLOCK,
    } as object) as unknown as string;
  } finally {
    closeSync(held);
  }
}

/**
 * Replaces a file atomically: a reader sees the old text or the new, also after a crash. Its folder is trusted and must exist.
 */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  await using folder = await Folder.open(dirname(path));
  const name = basename(path);
  await ifThere(folder.unlink(`${name}.new`));
  {
    await using file = await folder.createFile(`${name}.new`, mode);
    await file.writeFile(text);
  }
  await folder.rename(`${name}.new`, name);
}
