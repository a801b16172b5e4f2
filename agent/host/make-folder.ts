/** Makes a folder with its parents. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Step by step, for `mkdir` with `recursive` never returns below /proc, where making a folder fails with ENOENT.
 * @returns whether the folder is new
 * @throws Error with code ENOTDIR where a file is in the way
 */
export function makeFolder(path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there === undefined) {
    makeFolder(dirname(path));
    mkdirSync(path, 0o755);
    return true;
  }
  if (!there.isDirectory()) throw Object.assign(new Error(`${path} is not a folder`), { code: 'ENOTDIR' });
  return false;
}
