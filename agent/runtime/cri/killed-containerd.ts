/** Removes the files that a killed containerd leaves outside of its own folders. Used when a whole node is removed. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes the sockets of all shims of the containerd with this `state` folder. The sockets are in one folder for the whole machine, and
 * only the shims' own folders tell their names, so call this before those folders are removed.
 *
 * Source: containerd `runtime/v2/shim/util_unix.go` (socketRoot), `runtime/v2/shim/util.go` (the file `address`).
 */
export async function removeShimSockets(state: string): Promise<void> {
  const tasks = join(state, 'io.containerd.runtime.v2.task');
  for (const namespace of await namesIn(tasks)) {
    for (const id of await namesIn(join(tasks, namespace))) {
      const address = await readFile(join(tasks, namespace, id, 'address'), 'utf8').catch(orAbsent(''));
      const path = /^unix:\/\/(\/run\/containerd\/s\/[0-9a-f]{64})$/.exec(address.trim())?.[1];
      if (path !== undefined) await rm(path, { force: true });
    }
  }
}

/** Removes the results that the CNI library keeps, one per attached sandbox in one place for the whole machine, of sandboxes below `folder`. */
export async function removeCniResults(folder: string): Promise<void> {
  const results = '/var/lib/cni/results';
  for (const name of await namesIn(results)) {
    const text = await readFile(join(results, name), 'utf8').catch(orAbsent(''));
    if (text.includes(`${folder}/`)) await rm(join(results, name), { force: true });
  }
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(orAbsent([]));

const orAbsent =
  <T>(absent: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    return absent;
  };
