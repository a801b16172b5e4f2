/**
 * Keeps container logs small: a full log is renamed, the runtime opens a new one, old ones are compressed and then removed.
 *
 * Source: upstream `pkg/kubelet/logs/container_log_manager.go`.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Logger } from 'pino';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';

export interface LogRotation {
  /** Rotates the logs of all running containers that need it. Failures are logged. */
  rotate(): Promise<void>;
}

export interface LogRotationDeps {
  runtime: ContainerRuntime;
  log: Logger;
  maxBytes: number;
  maxFiles: number;
}

const stamp = (): string => new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);

/** Rotated logs of `path`, the oldest first: `0.log.20260101-000000`, later `….gz`. */
async function rotated(path: string): Promise<string[]> {
  const names = await readdir(dirname(path));
  return names
    .filter((name) => name.startsWith(`${basename(path)}.`) && !name.endsWith('.tmp'))
    .sort()
    .map((name) => join(dirname(path), name));
}

async function compress(path: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(temporary));
  await rename(temporary, `${path}.gz`);
  await rm(path);
}

export function createLogRotation({ runtime, log, maxBytes, maxFiles }: LogRotationDeps): LogRotation {
  async function rotateOne(id: string): Promise<void> {
    const { logPath } = await runtime.containerStatus(id);
    if (logPath === '') return;
    const info = await stat(logPath).catch(() => undefined);
    if (info === undefined || info.size < maxBytes) return;
    const old = await rotated(logPath);
    // The present log and the newest rotated one stay readable: followers may still be in it.
    for (const path of old) if (!path.endsWith('.gz')) await compress(path);
    for (const path of (await rotated(logPath)).slice(0, Math.max(0, old.length - (maxFiles - 2)))) await rm(path);
    const aside = `${logPath}.${stamp()}`;
    await rename(logPath, aside);
    try {
      await runtime.reopenContainerLog(id);
    } catch (error) {
      // The runtime still writes to the renamed file: give it its name back.
      await rename(aside, logPath);
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
