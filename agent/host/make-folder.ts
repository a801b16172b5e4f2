/** Makes a folder with its parents. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes one folder after the other. `mkdir` with `recursive` would never return below /proc, where making a folder fails with
 * ENOENT.
 * @returns whether the folder is new
 * @throws Error with code ENOTDIR when a file is in the way
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
