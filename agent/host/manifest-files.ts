/**
 * Files that the node's administrator puts somewhere to be read, and read again when they change. Links are followed: no container can write there.
 */
import { constants, watch } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename } from 'node:path';

/** What lies at a path. */
export type PathKind = 'folder' | 'file' | 'other';

/** Reads and watches manifests. */
export interface ManifestFiles {
  /** Undefined: there is nothing. */
  kindOf(path: string): Promise<PathKind | undefined>;
  /** The names in a folder, sorted. */
  names(folder: string): Promise<string[]>;
  /** @throws Error also for a file that is larger than `maxBytes` */
  read(path: string, maxBytes: number): Promise<Uint8Array>;
  /**
   * Tells the names of files that were made, changed or removed, in a folder or of the one file.
   * @returns when `signal` aborts, or the watched path itself was removed or replaced
   * @throws Error when it cannot be watched
   */
  watch(path: string, changed: (name: string) => void, signal: AbortSignal): Promise<void>;
}

/** The files of this machine. */
export const manifestFiles: ManifestFiles = {
  async kindOf(path) {
    try {
      const info = await stat(path);
      return info.isDirectory() ? 'folder' : info.isFile() ? 'file' : 'other';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },

  async names(folder) {
    return (await readdir(folder)).sort();
  },

  async read(path, maxBytes) {
    // O_NONBLOCK: a FIFO that has taken the file's place does not hold the reader.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat();
      if (size > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  },

  watch(path, changed, signal) {
    return new Promise((resolve, reject) => {
      const watcher = watch(path, { signal });
      const name = basename(path);
      watcher.on('change', (event, file) => {
        changed(String(file));
        // The kernel reports the end of the watched path itself under its own name.
        if (event === 'rename' && String(file) === name) watcher.close();
      });
      watcher.once('error', (error) => {
        watcher.close();
        reject(error);
      });
      watcher.once('close', () => resolve());
    });
  },
};
