/**
 * A {@link ContainerRuntime} on Docker: what dockershim was, with CNI for the network and CRI's log format.
 *
 * A pod sandbox is a pause container; the pod's containers join its namespaces. dockerd should run with `--bridge=none
 * --iptables=false --live-restore`: the network is ours, and a restart of the daemon must not stop the pods.
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

export interface DockerRuntimeOptions {
  /** dockerd's socket, without `unix://`. */
  socketPath: string;
  cni: { confDir: string; binDir: string };
  /** What Docker cannot hold: how sandboxes are connected, positions in logs. Survives a restart of the agent. */
  dataDir: string;
  log: Logger;
  clock: Clock;
  /** Default: upstream's pause image. */
  sandboxImage?: string | undefined;
  /** Lowest oom_score_adj to ask for; without CAP_SYS_RESOURCE nothing can go below the daemon's. Default: -1000. */
  minOomScoreAdj?: number | undefined;
  /** Runs CNI plugins; for a node in a network namespace other than ours. */
  exec?: Exec | undefined;
  /** Default of every call: 2 minutes; how long a pull may stand still: 1 minute. */
  timeouts?: { callMs?: number | undefined; pullProgressMs?: number | undefined } | undefined;
}

/** Begins to write on the logs of the containers that run. The daemon need not run, and may be restarted at any time. */
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

    // The CNI configuration is the network's business, here as with containerd.
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
