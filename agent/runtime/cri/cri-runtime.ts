/**
 * A {@link ContainerRuntime} that speaks CRI v1 over gRPC: containerd, or any other runtime with a CRI socket.
 *
 * Each method is one RPC: its request, its deadline, and the replies that count as success. `connection.ts` and `convert.ts` do
 * the rest.
 */
import type { Logger } from 'pino';
import type { Clock } from '#client/clock.ts';
import { type ContainerRuntime, isNotFound, RuntimeError } from '../runtime.ts';
import type { CgroupDriver, ExecSyncResult, RuntimeCondition, RuntimeVersion } from '../types.ts';
import { type CallOptions, createConnection } from './connection.ts';
import { subscribeContainerEvents } from './container-events.ts';
import {
  requiredField,
  toContainer,
  toContainerStats,
  toContainerStatus,
  toFilesystemUsage,
  toImage,
  toPodSandbox,
  toPodSandboxStats,
  toPodSandboxStatus,
  wireContainerConfig,
  wireSandboxConfig,
} from './convert.ts';
import type {
  WireContainer,
  WireContainerStats,
  WireContainerStatus,
  WireFilesystemUsage,
  WireImage,
  WirePodSandbox,
  WirePodSandboxStats,
  WirePodSandboxStatus,
} from './wire.ts';

/** Deadlines of the calls. */
export interface CriTimeouts {
  /** Deadline of an ordinary call. `stopContainer` and `execSync` add their own timeout to it. Default: 2 minutes. */
  callMs: number;
  /** Deadline of calls that start or remove a sandbox or a container. Default: 4 minutes, as upstream. */
  sandboxMs: number;
}

/** What the runtime adapter works with. */
export interface CriRuntimeOptions {
  /** URL of the runtime's socket, for example `unix:///run/containerd/containerd.sock`. */
  endpoint: string;
  log: Logger;
  clock: Clock;
  timeouts?: Partial<CriTimeouts> | undefined;
}

const defaultTimeouts: CriTimeouts = { callMs: 2 * 60_000, sandboxMs: 4 * 60_000 };

/** Ignores NotFound: an idempotent removal succeeds when the object does not exist. */
async function unlessNotFound(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Makes the adapter. It connects at the first call. The runtime need not run yet, and may be restarted at any time. */
export function createCriRuntime({ endpoint, log, clock, timeouts: given }: CriRuntimeOptions): ContainerRuntime {
  const timeouts = { ...defaultTimeouts, ...given };
  const connection = createConnection({ endpoint, log, clock });

  const runtimeCall = <Reply>(method: string, request: object, options: CallOptions = {}): Promise<Reply> =>
    connection.call<Reply>('runtime.v1.RuntimeService', method, request, { timeoutMs: timeouts.callMs, ...options });
  const imageCall = <Reply>(method: string, request: object, options: CallOptions = {}): Promise<Reply> =>
    connection.call<Reply>('runtime.v1.ImageService', method, request, { timeoutMs: timeouts.callMs, ...options });
  const callOptions = (subject: Readonly<Record<string, unknown>>, timeoutMs = timeouts.callMs): CallOptions => ({
    subject,
    timeoutMs,
  });
  const url = async (method: string, request: object, subject: Readonly<Record<string, unknown>>): Promise<string> =>
    requiredField((await runtimeCall<{ url: string }>(method, request, callOptions(subject))).url || undefined, method, 'URL');

  const runtime: ContainerRuntime = {
    version: () => runtimeCall<RuntimeVersion>('Version', { version: '0.1.0' }),

    async status() {
      const reply = await runtimeCall<{
        status: { conditions: RuntimeCondition[] } | null;
        runtimeHandlers: { name: string; features: { recursiveReadOnlyMounts: boolean; userNamespaces: boolean } | null }[];
        features: { supplementalGroupsPolicy: boolean } | null;
      }>('Status', {});
      return {
        conditions: requiredField(reply.status, 'Status', 'status').conditions,
        handlers: reply.runtimeHandlers.map(({ name, features }) => ({
          name,
          recursiveReadOnlyMounts: features?.recursiveReadOnlyMounts ?? false,
          userNamespaces: features?.userNamespaces ?? false,
        })),
        supplementalGroupsPolicy: reply.features?.supplementalGroupsPolicy ?? false,
      };
    },

    async runtimeConfig() {
      try {
        const { linux } = await runtimeCall<{ linux: { cgroupDriver: CgroupDriver } | null }>('RuntimeConfig', {});
        return { cgroupDriver: linux?.cgroupDriver };
      } catch (error) {
        if (error instanceof RuntimeError && error.code === 'Unimplemented') return {};
        throw error;
      }
    },

    async updateRuntimeConfig({ podCidr }) {
      await runtimeCall('UpdateRuntimeConfig', { runtimeConfig: { networkConfig: { podCidr } } });
    },

    async runPodSandbox(config, runtimeHandler = '') {
      const { name, namespace, uid } = config.metadata;
      const request = { config: wireSandboxConfig(config), runtimeHandler };
      const reply = await runtimeCall<{ podSandboxId: string }>(
        'RunPodSandbox',
        request,
        callOptions({ pod: `${namespace}/${name}`, podUid: uid }, timeouts.sandboxMs),
      );
      return requiredField(reply.podSandboxId || undefined, 'RunPodSandbox', 'sandbox ID');
    },

    stopPodSandbox: (podSandboxId) =>
      unlessNotFound(runtimeCall('StopPodSandbox', { podSandboxId }, callOptions({ podSandboxId }, timeouts.sandboxMs))),

    removePodSandbox: (podSandboxId) =>
      unlessNotFound(runtimeCall('RemovePodSandbox', { podSandboxId }, callOptions({ podSandboxId }, timeouts.sandboxMs))),

    async podSandboxStatus(podSandboxId) {
      const reply = await runtimeCall<{ status: WirePodSandboxStatus | null }>(
        'PodSandboxStatus',
        { podSandboxId },
        callOptions({ podSandboxId }),
      );
      return toPodSandboxStatus(requiredField(reply.status, 'PodSandboxStatus', 'status'), 'PodSandboxStatus');
    },

    async listPodSandbox(filter = {}) {
      const request = { filter: { ...filter, state: filter.state && { state: filter.state } } };
      const { items } = await runtimeCall<{ items: WirePodSandbox[] }>('ListPodSandbox', request);
      return items.map((item) => toPodSandbox(item, 'ListPodSandbox'));
    },

    async createContainer(podSandboxId, config, sandboxConfig) {
      const request = { podSandboxId, config: wireContainerConfig(config), sandboxConfig: wireSandboxConfig(sandboxConfig) };
      const reply = await runtimeCall<{ containerId: string }>(
        'CreateContainer',
        request,
        callOptions({ podSandboxId, container: config.metadata.name }, timeouts.sandboxMs),
      );
      return requiredField(reply.containerId || undefined, 'CreateContainer', 'container ID');
    },

    async startContainer(containerId) {
      await runtimeCall('StartContainer', { containerId }, callOptions({ containerId }, timeouts.sandboxMs));
    },

    stopContainer: (containerId, timeoutSeconds) =>
      unlessNotFound(
        runtimeCall(
          'StopContainer',
          { containerId, timeout: timeoutSeconds },
          callOptions({ containerId }, timeouts.callMs + timeoutSeconds * 1000),
        ),
      ),

    removeContainer: (containerId) =>
      unlessNotFound(runtimeCall('RemoveContainer', { containerId }, callOptions({ containerId }))),

    async listContainers(filter = {}) {
      const request = { filter: { ...filter, state: filter.state && { state: filter.state } } };
      const { containers } = await runtimeCall<{ containers: WireContainer[] }>('ListContainers', request);
      return containers.map((container) => toContainer(container, 'ListContainers'));
    },

    async containerStatus(containerId) {
      const reply = await runtimeCall<{ status: WireContainerStatus | null }>(
        'ContainerStatus',
        { containerId },
        callOptions({ containerId }),
      );
      return toContainerStatus(requiredField(reply.status, 'ContainerStatus', 'status'), 'ContainerStatus');
    },

    async updateContainerResources(containerId, linux) {
      await runtimeCall('UpdateContainerResources', { containerId, linux }, callOptions({ containerId }));
    },

    async reopenContainerLog(containerId) {
      await runtimeCall('ReopenContainerLog', { containerId }, callOptions({ containerId }));
    },

    async execSync(containerId, cmd, timeoutMs, signal) {
      // CRI counts whole seconds, and 0 means no limit.
      const timeout = Math.ceil(timeoutMs / 1000);
      const options = { subject: { containerId }, timeoutMs: timeoutMs === 0 ? undefined : timeoutMs + timeouts.callMs, signal };
      return await runtimeCall<ExecSyncResult>('ExecSync', { containerId, cmd, timeout }, options);
    },

    exec: (request) => url('Exec', request, { containerId: request.containerId }),
    attach: (request) => url('Attach', request, { containerId: request.containerId }),
    portForward: (podSandboxId, port = []) => url('PortForward', { podSandboxId, port }, { podSandboxId }),

    async containerStats(containerId) {
      const { stats } = await runtimeCall<{ stats: WireContainerStats | null }>(
        'ContainerStats',
        { containerId },
        callOptions({ containerId }),
      );
      return toContainerStats(requiredField(stats, 'ContainerStats', 'stats'), 'ContainerStats');
    },

    async listContainerStats(filter = {}) {
      const { stats } = await runtimeCall<{ stats: WireContainerStats[] }>('ListContainerStats', { filter });
      return stats.map((one) => toContainerStats(one, 'ListContainerStats'));
    },

    async podSandboxStats(podSandboxId) {
      const { stats } = await runtimeCall<{ stats: WirePodSandboxStats | null }>(
        'PodSandboxStats',
        { podSandboxId },
        callOptions({ podSandboxId }),
      );
      return toPodSandboxStats(requiredField(stats, 'PodSandboxStats', 'stats'), 'PodSandboxStats');
    },

    async listPodSandboxStats(filter = {}) {
      const { stats } = await runtimeCall<{ stats: WirePodSandboxStats[] }>('ListPodSandboxStats', { filter });
      return stats.map((one) => toPodSandboxStats(one, 'ListPodSandboxStats'));
    },

    containerEvents: (signal) => subscribeContainerEvents({ connection, clock, runtime }, signal),

    async listImages() {
      const { images } = await imageCall<{ images: WireImage[] }>('ListImages', {});
      return images.map(toImage);
    },

    async imageStatus(image) {
      const reply = await imageCall<{ image: WireImage | null }>('ImageStatus', { image }, callOptions({ image: image.image }));
      return reply.image === null ? undefined : toImage(reply.image);
    },

    async pullImage(image, auth, sandboxConfig, signal) {
      const request = { image, auth, sandboxConfig: sandboxConfig && wireSandboxConfig(sandboxConfig) };
      // There is no deadline: the runtime itself ends a pull that makes no progress.
      const options = { subject: { image: image.image }, timeoutMs: undefined, signal };
      const reply = await imageCall<{ imageRef: string }>('PullImage', request, options);
      return requiredField(reply.imageRef || undefined, 'PullImage', 'image reference');
    },

    removeImage: (image) => unlessNotFound(imageCall('RemoveImage', { image }, callOptions({ image: image.image }))),

    async imageFsInfo() {
      const reply = await imageCall<{ imageFilesystems: WireFilesystemUsage[]; containerFilesystems: WireFilesystemUsage[] }>(
        'ImageFsInfo',
        {},
      );
      return {
        imageFilesystems: reply.imageFilesystems.map(toFilesystemUsage),
        containerFilesystems: reply.containerFilesystems.map(toFilesystemUsage),
      };
    },

    async close() {
      connection.close();
    },
  };
  return runtime;
}
