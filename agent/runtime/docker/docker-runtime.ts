/**
 * A {@link ContainerRuntime} on Docker, with the tasks that dockershim had. CNI makes the network, and logs have CRI's format.
 *
 * A pod sandbox is a pause container; the pod's containers join its namespaces. Run dockerd with `--bridge=none --iptables=false
 * --live-restore`: CNI makes the network, and a restart of the daemon must not stop the pods.
 */
import type { Logger } from 'pino';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { readSmallFileSync } from '#agent/host/safe-open.ts';
import type { Clock } from '#client/clock.ts';
import { type ContainerRuntime, RuntimeError } from '../runtime.ts';
import { createStreamingServer } from '../streaming/streaming-server.ts';
import { loadNetwork } from './cni.ts';
import { containerCalls } from './containers.ts';
import { createDockerApi } from './docker-api.ts';
import type { DockerContext } from './docker-context.ts';
import { subscribeDockerEvents } from './docker-events.ts';
import { imageCalls } from './images.ts';
import { createLogSupervisor } from './log-supervisor.ts';
import { processCalls } from './processes.ts';
import { sandboxCalls } from './sandboxes.ts';

/** What the Docker runtime works with. */
export interface DockerRuntimeOptions {
  /** Path of dockerd's socket, without `unix://`. */
  socketPath: string;
  cni: { confDir: string; binDir: string };
  /**
   * Directory for data that Docker cannot store: network attachments of sandboxes, and log positions. It must survive a restart
   * of the agent.
   */
  dataDir: string;
  log: Logger;
  clock: Clock;
  /** The image of sandboxes. Default: upstream's pause image. */
  sandboxImage?: string | undefined;
  /** The lowest oom_score_adj to set. Without CAP_SYS_RESOURCE no process can get one below the daemon's own. Default: -1000. */
  minOomScoreAdj?: number | undefined;
  /** Runs CNI plugins. Set it when the node is in another network namespace than this process. */
  exec?: Exec | undefined;
  /**
   * `callMs`: deadline of every call, default 2 minutes. `pullProgressMs`: a pull without progress is ended after this time,
   * default 1 minute.
   */
  timeouts?: { callMs?: number | undefined; pullProgressMs?: number | undefined } | undefined;
}

/**
 * Makes the runtime, and continues the logs of the containers that run. The daemon need not run yet, and may be restarted at any
 * time.
 */
export function createDockerRuntime(options: DockerRuntimeOptions): ContainerRuntime {
  const { socketPath, cni, dataDir, log, clock, timeouts } = options;
  const api = createDockerApi({ socketPath, log, clock, callMs: timeouts?.callMs ?? 120_000 });
  const streaming = createStreamingServer({ log, clock });
  const logs = createLogSupervisor({ api, clock, log, dataDir });
  const context: DockerContext = {
    api,
    log,
    clock,
    cni: { ...cni, exec: options.exec ?? execFile },
    dataDir,
    streaming,
    logs,
    pullProgressMs: timeouts?.pullProgressMs ?? 60_000,
    defaults: () => ({
      sandboxImage: options.sandboxImage ?? 'registry.k8s.io/pause:3.10.1',
      nowMs: clock.now(),
      minOomScoreAdj: options.minOomScoreAdj ?? -1000,
      readSeccompProfile: (path) => readSmallFileSync(path, 2 ** 20),
    }),
  };
  const noPodStats = (): Promise<never> =>
    Promise.reject(new RuntimeError('Unimplemented', 'PodSandboxStats', 'docker counts for containers only'));

  return {
    async version() {
      const { Version } = await api.call('Version', (docker) => docker.version());
      return { version: '0.1.0', runtimeName: 'docker', runtimeVersion: Version, runtimeApiVersion: 'v1' };
    },

    async status() {
      await api.call('Status', (docker) => docker.ping());
      const network = await loadNetwork(cni.confDir).catch((error: Error) => error);
      const ready = network !== undefined && !(network instanceof Error);
      const why = network instanceof Error ? network.message : `cni plugin not initialized: no configuration in ${cni.confDir}`;
      return {
        conditions: [
          { type: 'RuntimeReady', status: true, reason: '', message: '' },
          {
            type: 'NetworkReady',
            status: ready,
            reason: ready ? '' : 'NetworkPluginNotReady',
            message: ready ? '' : `Network plugin returns error: ${why}`,
          },
        ],
        handlers: [],
        supplementalGroupsPolicy: false,
      };
    },

    async runtimeConfig() {
      const { CgroupDriver } = await api.call('RuntimeConfig', (docker) => docker.info() as Promise<{ CgroupDriver: string }>);
      return { cgroupDriver: CgroupDriver === 'systemd' ? 'SYSTEMD' : 'CGROUPFS' };
    },

    // Nothing to do: the node's network part writes the CNI configuration, as with containerd.
    updateRuntimeConfig: () => Promise.resolve(),

    ...sandboxCalls(context),
    ...containerCalls(context),
    ...processCalls(context),
    ...imageCalls(context),

    podSandboxStats: noPodStats,
    listPodSandboxStats: noPodStats,
    containerEvents: (signal) => subscribeDockerEvents(api, signal),

    async close() {
      await Promise.all([logs.close(), streaming.close()]);
    },
  };
}
