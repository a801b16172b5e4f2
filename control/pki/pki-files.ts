/**
 * Files of keys and certificates: read with errors that name the file and say what to do, written so that a crash at any moment
 * leaves either nothing, or what the next start completes.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A file of the PKI that cannot be used. The message names it and says what to do; nothing was changed. */
export class PkiError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PkiError';
  }
}

/** Two files that are of use only together. */
export interface PairNames {
  /** `ca.key` */
  key: string;
  /** `ca.crt`, `sa.pub` */
  public: string;
}

/** The file names of a key and of what is public of it. */
export interface Pair {
  key: string;
  public: string;
}

/** More than any key or bundle of certificates; a file beyond that is something else. */
const maxBytes = 1 << 20;

/**
 * Both files, or what there is of them. A public part that a crash left under its temporary name is put in place, if it belongs to
 * the key.
 * @throws PkiError for what is there and cannot be read
 */
export function readPair(
  folder: string,
  names: PairNames,
  belongTogether: (key: string, publicPart: string) => boolean,
): Partial<Pair> {
  const found: Partial<Pair> = {};
  const key = readIfThere(join(folder, names.key));
  if (key !== undefined) found.key = key;
  const path = join(folder, names.public);
  const publicPart = readIfThere(path);
  if (publicPart !== undefined) return { ...found, public: publicPart };
  if (key === undefined) return found;
  const leftOver = readIfThere(temporary(path));
  if (leftOver === undefined || !belongTogether(key, leftOver)) return found;
  renameSync(temporary(path), path);
  syncFolder(folder);
  return { key, public: leftOver };
}

/**
 * Writes both as one: a crash before the first name is given leaves two temporary files that nobody reads, one between the two is
 * completed by {@link readPair}.
 * @throws PkiError where they cannot be written
 */
export function writePair(folder: string, names: PairNames, pair: Pair): void {
  const [key, publicPart] = [join(folder, names.key), join(folder, names.public)];
  writeWhole([
    [key, pair.key],
    [publicPart, pair.public],
  ]);
}

/** Whole or not at all, also when the power fails, and readable by the owner only. @throws PkiError where it cannot be written */
export function writeSafely(path: string, text: string): void {
  writeWhole([[path, text]]);
}

/** @throws PkiError where it cannot be made */
export function makePkiFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new PkiError(`the folder ${folder} cannot be made: ${reasonOf(error)}`, { cause: error });
  }
}

function writeWhole(files: readonly (readonly [path: string, text: string])[]): void {
  let current = '';
  try {
    for (const [path, text] of files) {
      current = path;
      writeFileSync(temporary(path), text, { mode: 0o600, flush: true });
    }
    for (const [path] of files) {
      current = path;
      renameSync(temporary(path), path);
    }
    for (const folder of new Set(files.map(([path]) => dirname(path)))) syncFolder(folder);
  } catch (error) {
    for (const [path] of files) rmSync(temporary(path), { force: true });
    throw new PkiError(`${current} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}

const temporary = (path: string): string => `${path}.new`;

/** Makes new names of a folder outlive a power failure. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** @throws PkiError for what is no file, is empty, or may not be read */
function readIfThere(path: string): string | undefined {
  let text: string;
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    // Before it is opened: a pipe would hold the start up for ever.
    if (!stat.isFile())
      throw new PkiError(`${path} is ${stat.isDirectory() ? 'a folder, not a file' : 'not a file'}: ${restore}`);
    if (stat.size > maxBytes) throw new PkiError(`${path} is too large for a key or certificate: ${restore}`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof PkiError) throw error;
    throw new PkiError(`${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  if (text.trim() === '') throw new PkiError(`${path} is empty: ${restore}`);
  return text;
}

/** What helps with every file that is damaged. */
export const restore = 'nothing was changed; restore it from a backup';

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not use it; check the owner and mode of the file and its folders',
  EPERM: 'this user may not use it; check the owner and mode of the file and its folders',
  ENOSPC: 'no space is left on the disk; free some and start again',
  EDQUOT: "this user's disk quota is used up; free some space and start again",
  EROFS: 'its file system is read-only; mount it writable and start again',
  EEXIST: 'a file stands where a folder is needed; move it away',
  ENOTDIR: 'a file stands where a folder is needed; move it away',
  EISDIR: 'a folder stands where a file is needed; move it away',
  ENOTEMPTY: 'a folder stands where a file is needed; move it away',
  EIO: 'the disk failed; check it',
  ELOOP: 'its link leads back to itself',
};

function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return reasons[code] ?? message;
}
