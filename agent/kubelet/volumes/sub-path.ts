/**
 * Mounts single paths of a volume (`subPath`, `subPathExpr`). The result is never outside of the volume, even if processes of the container
 * replace folders with symbolic links meanwhile: each step is opened relative to its open parent, and the mount uses the inode that was
 * reached, not a path.
 *
 * Source: upstream `pkg/volume/util/subpath/subpath_linux.go` (SafeMakeDir, PrepareSafeSubpath).
 */

import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Mounts } from '#agent/host/mount.ts';
import { removeTree } from '#agent/host/remove-tree.ts';
import { type Entry, Folder, fileType, ifThere, openFolder, stepsBelow, WrongFileTypeError } from '#agent/host/safe-open.ts';

/** A missing folder of the path could not be made. */
export class SubPathCreateError extends Error {
  constructor(path: string, cause: unknown) {
    super(`failed to create subPath directory ${path}`, { cause });
    this.name = 'SubPathCreateError';
  }
}

/** The kernel's limit of links in one path. */
const maxLinks = 40;

interface Step {
  name: string;
  /** Whether a missing folder is made. Folders of the subPath itself are made; the target of a link is not. */
  make: boolean;
}

const stepsOf = (path: string, make: boolean): Step[] =>
  path
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .map((name) => ({ name, make }));

/**
 * Opens the file or folder `subPath` in the volume. Missing folders are made with the mode of the volume's folder. Links within the volume
 * are followed, as those of a ConfigMap's keys are.
 * @throws Error when it leads out of the volume, SubPathCreateError
 */
export async function openSubPath(volumePath: string, subPath: string): Promise<Entry> {
  const rootPath = await realpath(volumePath);
  const walk = new Walk(rootPath, await Folder.open(rootPath));
  try {
    return await walk.to(stepsOf(subPath, true));
  } finally {
    await walk.close();
  }
}

class Walk {
  readonly #rootPath: string;
  readonly #root: Folder;
  /** The names of the folders from the volume's root to the present one; none of them is a link. */
  #names: string[] = [];
  #here: Folder;
  #links = 0;

  constructor(rootPath: string, root: Folder) {
    this.#rootPath = rootPath;
    this.#root = root;
    this.#here = root;
  }

  async to(pending: Step[]): Promise<Entry> {
    for (let step = pending.shift(); step !== undefined; step = pending.shift()) {
      if (step.name === '..') {
        await this.#up();
        continue;
      }
      const entry = await ifThere(this.#here.entry(step.name));
      const stats = entry?.stats;
      // Returns the entry that was examined and does not open the name again: it may be a link by now.
      if (entry !== undefined && !entry.stats.isDirectory() && !entry.stats.isSymbolicLink() && pending.length === 0)
        return entry;
      await entry?.[Symbol.asyncDispose]();
      if (stats === undefined) await this.#make(step);
      else if (stats.isSymbolicLink()) pending.unshift(...(await this.#follow(step.name)));
      else if (stats.isDirectory()) await this.#enter(step.name, await this.#here.folder(step.name));
      else throw new WrongFileTypeError(`${this.#here.path}/${step.name}`, fileType(stats), 'folder');
    }
    return this.#here.hold();
  }

  async #make({ name, make }: Step): Promise<void> {
    const path = `${this.#here.path}/${name}`;
    if (!make) throw new SubPathCreateError(path, new Error('a symbolic link leads to nothing'));
    const mode = (await this.#root.stat()).mode & 0o7777;
    const made = await this.#here.makeFolder(name, mode).catch((error: unknown) => {
      throw new SubPathCreateError(path, error);
    });
    await this.#enter(name, made);
  }

  /** @returns the steps that replace the link */
  async #follow(name: string): Promise<Step[]> {
    if (++this.#links > maxLinks) throw new Error(`too many levels of symbolic links in ${this.#here.path}`);
    const target = await this.#here.readlink(name);
    if (!target.startsWith('/')) return stepsOf(target, false);
    // An absolute link leads into the volume only if it begins with the volume's own path.
    if (target !== this.#rootPath && !target.startsWith(this.#rootPath === '/' ? '/' : `${this.#rootPath}/`))
      throw this.#outside(target);
    await this.#goTo([]);
    return target === this.#rootPath ? [] : stepsBelow(this.#rootPath, target).map((one) => ({ name: one, make: false }));
  }

  /** Walks from the root again instead of opening `..`: the open folder may have been moved, even out of the volume. */
  async #up(): Promise<void> {
    if (this.#names.length === 0) throw this.#outside(`${this.#rootPath}/..`);
    await this.#goTo(this.#names.slice(0, -1));
  }

  async #goTo(names: readonly string[]): Promise<void> {
    await this.#leave();
    this.#names = [];
    for (const name of names) await this.#enter(name, await this.#here.folder(name));
  }

  async #enter(name: string, folder: Folder): Promise<void> {
    const left = this.#here;
    this.#here = folder;
    this.#names.push(name);
    if (left !== this.#root) await left[Symbol.asyncDispose]();
  }

  async #leave(): Promise<void> {
    const left = this.#here;
    this.#here = this.#root;
    if (left !== this.#root) await left[Symbol.asyncDispose]();
  }

  #outside(path: string): Error {
    return new Error(`subpath ${JSON.stringify(path)} not within volume path ${JSON.stringify(this.#rootPath)}`);
  }

  async close(): Promise<void> {
    await this.#leave();
    await this.#root[Symbol.asyncDispose]();
  }
}

/** One `subPath` of one container. */
export interface SubPathMount {
  /** Where the volume is on the node. */
  volumePath: string;
  /** Relative to the volume. */
  subPath: string;
  /** The kubelet's folder of all pods. */
  podsDir: string;
  /** Where to mount it, below {@link podsDir}. The container then mounts this. */
  target: string;
}

/**
 * Makes a path of a volume available at `target` by a bind mount. An existing mount stays if it has the same inode. An updated file of a
 * ConfigMap has another inode and replaces the mount.
 * @throws Error when it leads out of the volume, SubPathCreateError
 */
export async function bindSubPath(mounts: Mounts, { volumePath, subPath, podsDir, target }: SubPathMount): Promise<void> {
  await using source = await openSubPath(volumePath, subPath);
  await using parent = await openFolder(podsDir, dirname(target), 0o750);
  const name = basename(target);
  const isSource = async (): Promise<boolean> => {
    await using there = await ifThere(parent.entry(name));
    return there !== undefined && (await there.id()) === (await source.id());
  };
  if (await mounts.isMountPoint(target)) {
    if (await isSource()) return;
    await mounts.unmountBelow(target);
  }
  await makeMountPoint(parent, name, source.stats.isDirectory());
  await mounts.bindEntry(source, target);
  if (await isSource()) return;
  await mounts.unmountBelow(target);
  throw new Error(`something else than subpath ${JSON.stringify(subPath)} was mounted at ${target}`);
}

/** A folder to mount a folder on; an empty file for any other type. */
async function makeMountPoint(parent: Folder, name: string, isFolder: boolean): Promise<void> {
  const there = await parent.look(name);
  if (there !== undefined && (isFolder ? there.isDirectory() : there.isFile())) return;
  await removeTree(parent, name);
  if (isFolder) await (await parent.makeFolder(name, 0o750))[Symbol.asyncDispose]();
  else await (await parent.createFile(name, 0o640)).close();
}
