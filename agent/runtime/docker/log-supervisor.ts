/**
 * Runs a log writer for every container that runs or has output that is not copied yet. Writers start when a container starts,
 * when the agent starts, and when Docker comes back.
 */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Logger } from 'pino';
import { type Clock, sleep } from '#client/clock.ts';
import { RuntimeError } from '../runtime.ts';
import { type ContainerLog, forgetPosition, writeContainerLog } from './container-log.ts';
import type { DockerApi } from './docker-api.ts';
import { logPathLabel, typeLabel } from './labels.ts';

/** The log writers of all containers. */
export interface LogSupervisor {
  /** Starts to write a container's log after its present end, unless a writer runs already. */
  ensure(containerId: string, path: string): Promise<void>;
  reopen(containerId: string): Promise<void>;
  /** Resolves when all output of a stopped container is in its log. */
  finish(containerId: string): Promise<void>;
  /** Stops the writer of a removed container and deletes its position. */
  forget(containerId: string): Promise<void>;
  close(): Promise<void>;
}

const retryMs = 500;

/** Makes the supervisor, and continues the logs of the containers that run. */
export function createLogSupervisor({
  api,
  clock,
  log,
  dataDir,
}: {
  api: DockerApi;
  clock: Clock;
  log: Logger;
  dataDir: string;
}): LogSupervisor {
  const logs = new Map<string, Promise<ContainerLog>>();
  const stop = new AbortController();
  const positionFile = (id: string): string => join(dataDir, 'logs', `${id}.json`);

  async function start(containerId: string, path: string): Promise<ContainerLog> {
    const { Config } = await api.call('ContainerInspect', (docker) => docker.getContainer(containerId).inspect());
    const selection = (since: string): { stdout: true; stderr: true; timestamps: true; since: number } =>
      // Docker accepts a string with nanoseconds here. The type allows whole seconds only.
      ({ stdout: true, stderr: true, timestamps: true, since: since as unknown as number });
    const follow = (since: string): Promise<Readable> =>
      api.call(
        'ContainerLogs',
        async (docker) =>
          (await docker.getContainer(containerId).logs({ follow: true, ...selection(since) })) as unknown as Readable,
      );
    const remainder = async (since: string): Promise<Readable> => {
      await api.call(
        'ContainerWait',
        (docker) => docker.getContainer(containerId).wait({ condition: 'not-running', abortSignal: stop.signal }),
        0,
      );
      const rest = await api.call('ContainerLogs', (docker) =>
        docker.getContainer(containerId).logs({ follow: false, ...selection(since) }),
      );
      return Readable.from([rest]);
    };
    return await writeContainerLog({ path, positionFile: positionFile(containerId), tty: Config.Tty, follow, remainder });
  }

  async function ensure(containerId: string, path: string): Promise<void> {
    if (path === '' || logs.has(containerId) || stop.signal.aborted) return;
    const starting = start(containerId, path);
    logs.set(containerId, starting);
    const drop = (): void => {
      if (logs.get(containerId) === starting) logs.delete(containerId);
    };
    starting.then(
      ({ done }) =>
        done.then(drop, (error: Error) => {
          drop();
          log.warn({ err: error, containerId }, 'container log broke off; it goes on when docker answers');
          // Waits before it resumes: on a full disk the writer fails again and again.
          void sleep(clock, retryMs, stop.signal).then(resumeAll);
        }),
      drop,
    );
    await starting;
  }

  /** Continues the log of every container. It is repeated until it has succeeded once. */
  async function resumeAll(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        const filters = { label: [`${typeLabel}=container`] };
        const containers = await api.call('ContainerList', (docker) => docker.listContainers({ all: true, filters }));
        const started = containers.filter(({ State }) => State !== 'created');
        await Promise.all(started.map(({ Id, Labels }) => ensure(Id, Labels[logPathLabel] ?? '')));
        return;
      } catch (error) {
        log.debug({ err: error }, 'container logs cannot be resumed yet');
        await sleep(clock, retryMs, stop.signal);
      }
    }
  }
  const resumed = resumeAll();

  return {
    ensure,
    async reopen(containerId) {
      const writer = await logs.get(containerId);
      if (writer === undefined)
        throw new RuntimeError(
          'FailedPrecondition',
          'ReopenContainerLog',
          `container ${containerId} is not running: its log is closed`,
        );
      await writer.reopen();
    },
    async finish(containerId) {
      // A writer that failed has been reported already. The removal must not fail because of it.
      await logs
        .get(containerId)
        ?.then(({ done }) => done)
        .catch(() => undefined);
    },
    async forget(containerId) {
      await forgetPosition(positionFile(containerId));
    },
    async close() {
      stop.abort();
      await resumed;
      await Promise.all(
        [...logs.values()].map((starting) =>
          starting.then(
            (writer) => writer.close(),
            () => undefined,
          ),
        ),
      );
    },
  };
}
