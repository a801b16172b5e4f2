/**
 * Keeps container logs small: a full log is renamed, the runtime opens a new one, old ones are compressed and then removed.
 *
 * Source: upstream `pkg/kubelet/logs/container_log_manager.go`.
 */
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Logger } from 'pino';
import { removeTree } from '#agent/host/remove-tree.ts';
import { type Folder, ifThere } from '#agent/host/safe-open.ts';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { openLogFolder } from './log-file.ts';

/** Rotation of the logs of all containers on this node. */
export interface LogRotation {
  /** Rotates the logs of all running containers that need it. Failures are logged. */
  rotate(): Promise<void>;
}

/** `maxBytes`: a larger log is rotated. `maxFiles`: how many a container keeps, the present one included. */
export interface LogRotationDeps {
  runtime: ContainerRuntime;
  log: Logger;
  maxBytes: number;
  maxFiles: number;
}

const stamp = (): string => new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);

/**
 * More than a runtime writes between two rotations. A file that a container has made larger is not compressed: that would take
 * hours.
 */
const maxCompressBytes = 2 ** 30;

/**
 * Names of the rotated logs of `log`, the oldest first: `0.log.20260101-000000`, later `….gz`. Regular files only: rotation
 * makes nothing else.
 */
async function rotated(folder: Folder, log: string): Promise<string[]> {
  const entries = await folder.list();
  return entries
    .filter(
      (entry) => entry.isFile() && entry.name.startsWith(log) && /^\.\d{8}-\d{6}(\.gz)?$/.test(entry.name.slice(log.length)),
    )
    .map(({ name }) => name)
    .sort();
}

/** Renames, also over a folder that a container put there so that its log would never be rotated. */
async function replace(folder: Folder, from: string, to: string): Promise<void> {
  await removeTree(folder, to);
  await folder.rename(from, to);
}

async function compress(folder: Folder, name: string): Promise<void> {
  const temporary = `${name}.tmp`;
  {
    await using source = await folder.openFile(name);
    const { size } = await source.stat();
    if (size > maxCompressBytes) return;
    await removeTree(folder, temporary);
    await using target = await folder.createFile(temporary, 0o640);
    // Reads no more than the size at the beginning: a container may still write to the file.
    const input = size === 0 ? [] : source.createReadStream({ start: 0, end: size - 1 });
    await pipeline(input, createGzip(), target.createWriteStream());
  }
  await replace(folder, temporary, `${name}.gz`);
  await folder.unlink(name);
}

/** Rotation as upstream does it: at most `maxFiles` files of `maxBytes` each, all but the newest rotated one compressed. */
export function createLogRotation({ runtime, log, maxBytes, maxFiles }: LogRotationDeps): LogRotation {
  async function rotateOne(id: string): Promise<void> {
    const { logPath } = await runtime.containerStatus(id);
    if (logPath === '') return;
    await using folder = await ifThere(openLogFolder(logPath));
    const log = basename(logPath);
    const info = await folder?.look(log);
    if (folder === undefined || info?.isFile() !== true || info.size < maxBytes) return;
    const old = await rotated(folder, log);
    const surplus = old.slice(0, Math.max(0, old.length - (maxFiles - 2)));
    for (const name of surplus) await ifThere(folder.unlink(name));
    // The newest rotated log stays as it is: `kubectl logs -f` may still read it.
    for (const name of old.slice(surplus.length)) if (!name.endsWith('.gz')) await compress(folder, name);
    const aside = `${log}.${stamp()}`;
    await replace(folder, log, aside);
    try {
      await runtime.reopenContainerLog(id);
    } catch (error) {
      // The runtime still writes to the renamed file: give it its name back.
      await folder.rename(aside, log);
      throw error;
    }
  }

  return {
    async rotate() {
      // A runtime that is away shows in the Node's conditions; its logs are rotated when it is back.
      const containers = await runtime.listContainers({ state: 'CONTAINER_RUNNING' }).catch(() => []);
      for (const { id } of containers) {
        await rotateOne(id).catch((error: unknown) =>
          log.warn({ err: error, containerId: id }, 'a container log could not be rotated'),
        );
      }
    },
  };
}
