/** The calls for containers on Docker: their lifecycle, statistics and events. */
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Container, ContainerRuntime, ContainerState, ContainerStats, ContainerStatus } from '../runtime.ts';
import { RuntimeError } from '../runtime.ts';
import { containerCreateOptions, resourceOptions } from './create-options.ts';
import { isNotModified } from './docker-api.ts';
import type { DockerContext } from './docker-context.ts';
import { containerMetadata, createdAtMs, logPathLabel, matches, readLabels, sandboxIdLabel, typeLabel } from './labels.ts';
import { createNamed, removeDocker, stopDocker } from './sandboxes.ts';

type ContainerCalls = Pick<
  ContainerRuntime,
  | 'createContainer'
  | 'startContainer'
  | 'stopContainer'
  | 'removeContainer'
  | 'listContainers'
  | 'containerStatus'
  | 'updateContainerResources'
  | 'reopenContainerLog'
  | 'containerStats'
  | 'listContainerStats'
>;

const listStates: Readonly<Record<string, ContainerState>> = {
  created: 'CONTAINER_CREATED',
  running: 'CONTAINER_RUNNING',
  paused: 'CONTAINER_RUNNING',
  restarting: 'CONTAINER_RUNNING',
  removing: 'CONTAINER_EXITED',
  exited: 'CONTAINER_EXITED',
  dead: 'CONTAINER_EXITED',
};

/** Makes the container calls of the Docker runtime. */
export function containerCalls(context: DockerContext): ContainerCalls {
  const { api, clock, logs } = context;

  const inspect = (id: string, call = 'ContainerStatus'): Promise<Docker.ContainerInspectInfo> =>
    api.call(call, async (docker) => {
      const found = await docker.getContainer(id).inspect();
      if (found.Config.Labels[typeLabel] !== 'container')
        throw new RuntimeError('NotFound', call, `${id} is not a container of a pod`);
      return found;
    });

  /**
   * The state of a container in a list. Docker lists a container that failed to start as "created" too, so such containers are
   * inspected.
   */
  async function listedState({ Id, State }: Docker.ContainerInfo): Promise<ContainerState> {
    return State === 'created' ? stateOf((await inspect(Id)).State) : (listStates[State] ?? 'CONTAINER_UNKNOWN');
  }

  async function toContainer(info: Docker.ContainerInfo): Promise<Container> {
    return {
      id: info.Id,
      podSandboxId: info.Labels[sandboxIdLabel] ?? '',
      metadata: containerMetadata(info.Labels),
      image: { image: info.Image },
      imageRef: info.ImageID,
      imageId: info.ImageID,
      state: await listedState(info),
      createdAtMs: createdAtMs(info.Labels),
      ...readLabels(info.Labels),
    };
  }

  async function stats(id: string, labels: Record<string, string>): Promise<ContainerStats> {
    const reply = await api.call('ContainerStats', (docker) =>
      docker.getContainer(id).stats({ stream: false, 'one-shot': true }),
    );
    const timestampMs = clock.now();
    const usageBytes = reply.memory_stats.usage ?? 0;
    const inactive = reply.memory_stats.stats?.total_inactive_file ?? reply.memory_stats.stats?.inactive_file ?? 0;
    return {
      id,
      podSandboxId: labels[sandboxIdLabel],
      metadata: containerMetadata(labels),
      ...readLabels(labels),
      cpu: { timestampMs, usageCoreNanoSeconds: reply.cpu_stats.cpu_usage.total_usage },
      // The working set is computed as cAdvisor does: without inactive file pages, which the kernel can take back at once.
      memory: { timestampMs, workingSetBytes: Math.max(0, usageBytes - inactive), usageBytes },
    };
  }

  const calls: ContainerCalls = {
    async createContainer(podSandboxId, config, sandboxConfig) {
      if (config.mounts?.some(({ image }) => image !== undefined) === true)
        throw new RuntimeError(
          'Unimplemented',
          'CreateContainer',
          'ImageVolumeMountFailed: docker cannot mount an image as a volume',
        );
      const logPath = config.logPath ? join(sandboxConfig.logDirectory ?? '', config.logPath) : '';
      const options = containerCreateOptions(podSandboxId, config, sandboxConfig, logPath, context.defaults());
      return await api.call('CreateContainer', (docker) => createNamed(docker, options));
    },

    async startContainer(id) {
      const { Config } = await inspect(id, 'StartContainer');
      try {
        await api.call('StartContainer', (docker) => docker.getContainer(id).start());
      } catch (error) {
        if (!isNotModified(error)) throw error;
      }
      await logs.ensure(id, Config.Labels[logPathLabel] ?? '');
    },

    stopContainer: (id, timeoutSeconds) => stopDocker(context, id, timeoutSeconds),
    removeContainer: (id) => removeDocker(context, id),

    async listContainers(filter = {}) {
      const label = [`${typeLabel}=container`, ...(filter.podSandboxId ? [`${sandboxIdLabel}=${filter.podSandboxId}`] : [])];
      const found = await api.call('ListContainers', (docker) =>
        docker.listContainers({ all: true, filters: { label, ...(filter.id ? { id: [filter.id] } : {}) } }),
      );
      const containers = await Promise.all(found.map(toContainer));
      return containers.filter(
        ({ state, labels }) => (filter.state === undefined || state === filter.state) && matches(labels, filter.labelSelector),
      );
    },

    containerStatus: async (id) => toStatus(await inspect(id)),

    async updateContainerResources(id, resources) {
      await api.call('UpdateContainerResources', (docker) => docker.getContainer(id).update(resourceOptions(resources)));
    },

    reopenContainerLog: (id) => logs.reopen(id),

    async containerStats(id) {
      return await stats(id, (await inspect(id, 'ContainerStats')).Config.Labels);
    },

    async listContainerStats(filter = {}) {
      const label = [`${typeLabel}=container`, ...(filter.podSandboxId ? [`${sandboxIdLabel}=${filter.podSandboxId}`] : [])];
      const running = await api.call('ListContainerStats', (docker) =>
        docker.listContainers({ filters: { label, ...(filter.id ? { id: [filter.id] } : {}) } }),
      );
      return await Promise.all(
        running.filter(({ Labels }) => matches(Labels, filter.labelSelector)).map(({ Id, Labels }) => stats(Id, Labels)),
      );
    },
  };
  return calls;
}

type DockerState = Docker.ContainerInspectInfo['State'];

/** Milliseconds since the epoch; 0 for "never", for which Docker writes year 1. */
const msOf = (time: string): number => Math.max(0, Date.parse(time) || 0);

/** A container that failed to start stays "created" in Docker, with an exit code. */
const failedToStart = (state: DockerState): boolean => !state.Running && msOf(state.FinishedAt) === 0 && state.ExitCode !== 0;

/** The CRI state of a Docker state. */
export function stateOf(state: DockerState): ContainerState {
  if (state.Running || state.Paused) return 'CONTAINER_RUNNING';
  return msOf(state.FinishedAt) > 0 || failedToStart(state) ? 'CONTAINER_EXITED' : 'CONTAINER_CREATED';
}

function reasonOf(state: DockerState): string {
  if (stateOf(state) !== 'CONTAINER_EXITED') return '';
  if (state.OOMKilled) return 'OOMKilled';
  if (failedToStart(state) || state.Error !== '') return 'ContainerCannotRun';
  return state.ExitCode === 0 ? 'Completed' : 'Error';
}

function toStatus(info: Docker.ContainerInspectInfo): ContainerStatus {
  const { Id, Config, State, HostConfig, Image, Mounts } = info;
  const created = createdAtMs(Config.Labels) || msOf(info.Created);
  const state = stateOf(State);
  const notStarted = failedToStart(State);
  return {
    id: Id,
    metadata: containerMetadata(Config.Labels),
    state,
    createdAtMs: created,
    startedAtMs: notStarted ? created : msOf(State.StartedAt),
    // A container that was started again still has the end time of its previous run.
    finishedAtMs: state === 'CONTAINER_EXITED' ? (notStarted ? created : msOf(State.FinishedAt)) : 0,
    exitCode: State.ExitCode,
    image: { image: Config.Image },
    imageRef: Image,
    imageId: Image,
    reason: reasonOf(State),
    message: State.Error,
    ...readLabels(Config.Labels),
    mounts: Mounts.map(({ Source, Destination, RW, Propagation }) => ({
      hostPath: Source,
      containerPath: Destination,
      readonly: !RW,
      propagation:
        Propagation === 'rshared'
          ? 'PROPAGATION_BIDIRECTIONAL'
          : Propagation === 'rslave'
            ? 'PROPAGATION_HOST_TO_CONTAINER'
            : 'PROPAGATION_PRIVATE',
    })),
    logPath: Config.Labels[logPathLabel] ?? '',
    resources: {
      cpuPeriod: HostConfig.CpuPeriod,
      cpuQuota: HostConfig.CpuQuota,
      cpuShares: HostConfig.CpuShares,
      memoryLimitInBytes: HostConfig.Memory,
      cpusetCpus: HostConfig.CpusetCpus,
      cpusetMems: HostConfig.CpusetMems,
    },
    stopSignal: (Config as { StopSignal?: string }).StopSignal ?? '',
  };
}
