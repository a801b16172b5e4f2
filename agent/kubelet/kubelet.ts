/**
 * The kubelet: registers this machine as a Node and runs the pods bound to it.
 *
 * Source: upstream `pkg/kubelet/kubelet.go`; DESIGN.md, "Kubelet".
 */
import { mkdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Logger } from 'pino';
import type { Cgroups } from '#agent/host/cgroup.ts';
import { createCgroups } from '#agent/host/cgroup.ts';
import type { Exec } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { openFolder, readSmallFile, writeFileIn } from '#agent/host/safe-open.ts';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import type { Node, Pod, Secret } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { InformerSelections, Informers } from '#client/informers.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import { admitPod } from './admission/admission.ts';
import { createBackOff } from './backoff.ts';
import { createContainerStarter } from './container/container-starter.ts';
import { parseResolvConf } from './container/dns.ts';
import { hostNetworkHostsFile, podHostname, podHostsFile } from './container/hostname.ts';
import { createImagePuller } from './images/image-puller.ts';
import { createLanes } from './lane.ts';
import { createLogRotation } from './logs/log-rotation.ts';
import { createNodeAgent } from './node/node-agent.ts';
import { createNodeObserver } from './node/node-observer.ts';
import { networkProblem } from './node/node-status.ts';
import { createReferencedObjects } from './objects.ts';
import type { KubeletOptions } from './options.ts';
import { kubeletVersion, withDefaults } from './options.ts';
import { kubeletPaths } from './paths.ts';
import { podReference } from './pod/kill-containers.ts';
import { createHookRunner } from './pod/lifecycle.ts';
import { createObserver } from './pod/observe.ts';
import { createOrphans } from './pod/orphans.ts';
import { createPleg } from './pod/pleg.ts';
import { asksForSync } from './pod/pod-changes.ts';
import { createPodRuntime } from './pod/pod-runtime.ts';
import { PodSource } from './pod/pod-source.ts';
import type { PodWorkerDeps } from './pod/pod-worker.ts';
import { PodWorker } from './pod/pod-worker.ts';
import type { ProbeRunner } from './probes/probe-run.ts';
import { createProbeRunner } from './probes/probe-run.ts';
import { createProbes } from './probes/probes.ts';
import { createPodCgroups } from './resources/pod-cgroups.ts';
import { createRuntimeHealth } from './runtime-health.ts';
import { kubeletConfiguration } from './server/configz.ts';
import { serveKubelet } from './server/server.ts';
import { rejectedStatus } from './status/pod-status.ts';
import { createStatusWriter } from './status/status-writer.ts';
import { createPathGate } from './volumes/path-gate.ts';
import { createServiceAccountTokens } from './volumes/token-cache.ts';
import { createVolumes } from './volumes/volumes.ts';

export interface KubeletDeps {
  client: Client;
  /** With {@link kubeletSelections}; run by the caller. */
  informers: Informers;
  runtime: ContainerRuntime;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  /** As component `kubelet`, with the node's name as host. */
  events: EventRecorder;
  /** Told of pods that this kubelet cannot take. */
  leftOut: LeftOutReporter;
  exec: Exec;
  /** Default: those of this machine. */
  cgroups?: Cgroups | undefined;
  /** Default: real probes. */
  probeRunner?: ProbeRunner | undefined;
}

export interface Kubelet {
  /** Runs until `signal` aborts, and settles when everything of the kubelet has ended. Containers run on. */
  run(signal: AbortSignal): Promise<void>;
}

/** What a kubelet watches: its own pods, its own Node, and all Services (for their environment variables). */
export const kubeletSelections = (nodeName: string): InformerSelections => ({
  pods: { fieldSelector: `spec.nodeName=${nodeName}` },
  nodes: { fieldSelector: `metadata.name=${nodeName}` },
});

const housekeepingMs = 30_000;
/** Of /etc/hosts and resolv.conf: some have a million blocked names. */
const maxNodeFileBytes = 64 * 2 ** 20;

export function createKubelet(deps: KubeletDeps, given: KubeletOptions): Kubelet {
  return { run: (signal) => runKubelet(deps, given, signal) };
}

async function runKubelet(deps: KubeletDeps, given: KubeletOptions, outer: AbortSignal): Promise<void> {
  const options = withDefaults(given);
  const { client, informers, runtime, clock, random, log, events } = deps;
  const { nodeName, nodeIps } = options;
  // One part that fails takes the whole kubelet down, in order.
  const inner = new AbortController();
  const signal = AbortSignal.any([outer, inner.signal]);
  const pods = informers.informer('pods');
  const nodes = informers.informer('nodes');
  const services = informers.informer('services');

  const paths = kubeletPaths(options.dataDir, options.podLogsDir);
  for (const directory of [paths.podsDir, paths.podLogsRoot]) await mkdir(directory, { recursive: true, mode: 0o755 });
  const hostCgroups = deps.cgroups ?? (await createCgroups());
  const cgroups = createPodCgroups(hostCgroups, options.cgroupRoot);
  const mounts = createMounts(deps.exec);

  const workers = new Map<string, PodWorker>();
  const running = new Set<Promise<void>>();
  const admitted = new Map<string, Pod>();
  const wake = (uid: string): void => workers.get(uid)?.wake();

  let pokeNode: () => void = () => undefined;
  const health = createRuntimeHealth({ runtime, clock, log, changed: () => pokeNode() });
  const version = await health.untilAnswering(signal);
  if (version === undefined) return;

  const observer = createObserver(runtime, paths.podsDir);
  const probes = createProbes({
    runner: deps.probeRunner ?? createProbeRunner(runtime),
    clock,
    random,
    events,
    log,
    changed: wake,
  });
  const pleg = createPleg({ runtime, clock, log, changed: wake });
  const observeNode = await createNodeObserver({ runtime, health, pleg, clock, dataDir: options.dataDir });
  const machine = observeNode.machine;
  const nodeAgent = createNodeAgent(
    { client, clock, random, events, log, observe: observeNode.observe },
    {
      nodeName,
      nodeIps,
      maxPods: options.maxPods,
      kubeletPort: options.serving.port,
      kubeletVersion,
      thresholds: options.evictionHard,
      labels: options.nodeLabels,
      taints: options.registerWithTaints,
      statusIntervalMs: options.nodeStatusUpdateFrequencyMs,
      reportIntervalMs: options.nodeStatusReportFrequencyMs,
      leaseDurationSeconds: options.nodeLeaseDurationSeconds,
      pressureTransitionPeriodMs: options.evictionPressureTransitionPeriodMs,
    },
  );
  pokeNode = () => nodeAgent.poke();
  const thisNode = (): Node | undefined => nodes.cache.get(nodeName);
  const allocatable = (): Record<string, string | number> =>
    nodeAgent.status()?.allocatable ?? thisNode()?.status?.allocatable ?? {};

  const objects = createReferencedObjects(client, clock);
  const tokens = createServiceAccountTokens({ client, clock, random });
  const gate = createPathGate(clock);
  const volumes = createVolumes({ paths, mounts, gate, sources: { objects, tokens } });
  const hooks = createHookRunner(runtime, clock);
  const crashBackOff = createBackOff(clock, { initialMs: 10_000, maxMs: 300_000 });
  const lanes = createLanes(clock, machine.cpuCount);
  const starter = createContainerStarter({
    lane: lanes.starts,
    runtime,
    events,
    objects,
    mounts,
    gate,
    paths,
    images: createImagePuller({ runtime, clock, events, serialize: options.serializeImagePulls }),
    services: () => services.cache.list(),
    machine: { memoryBytes: machine.memoryBytes, cgroupVersion: hostCgroups.hierarchy.version },
  });
  const podRuntime = createPodRuntime({
    lanes,
    runtime,
    clock,
    events,
    hooks,
    log,
    starter,
    probes,
    crashBackOff,
    paths,
    cgroupRoot: options.cgroupRoot,
    clusterDns: { servers: options.clusterDns, domain: options.clusterDomain },
    readHostResolvConf: async () => parseResolvConf(await readSmallFile(options.resolvConf, maxNodeFileBytes)),
    async writeHostsFile(pod, podIps) {
      const file = paths.etcHosts(pod.metadata.uid);
      const text =
        pod.spec.hostNetwork === true
          ? hostNetworkHostsFile(pod, await readSmallFile('/etc/hosts', maxNodeFileBytes))
          : podHostsFile(pod, podHostname(pod, options.clusterDomain), podIps);
      await using folder = await openFolder(paths.podsDir, dirname(file));
      await writeFileIn(folder, basename(file), text, 0o644);
      return file;
    },
  });
  const statuses = createStatusWriter({ client, clock, log });

  async function pullSecrets(pod: Pod): Promise<readonly Secret[]> {
    const names = (pod.spec.imagePullSecrets ?? []).map(({ name = '' }) => name);
    const found = await Promise.allSettled(names.map((name) => objects.secret(pod.metadata.namespace ?? '', name)));
    const missing = names.filter((_, index) => found[index]?.status === 'rejected');
    if (missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
      events.event(podReference(pod), 'Warning', 'FailedToRetrieveImagePullSecret', message);
    }
    return found.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }

  const workerDeps: PodWorkerDeps = {
    lane: lanes.releases,
    observer,
    runtime: podRuntime,
    probes,
    volumes,
    cgroups,
    statuses,
    events,
    clock,
    random,
    log,
    paths,
    runtimeName: version.runtimeName,
    hostIps: nodeIps,
    nodeName,
    allocatable,
    pullSecrets,
    networkProblem: () => networkProblem(health.status()),
    admit(pod, known) {
      const node = thisNode();
      const rejection =
        known || node === undefined
          ? undefined
          : admitPod(pod, [...admitted.values()], {
              ...node,
              status: { ...node.status, ...nodeAgent.status(), allocatable: allocatable() },
            });
      if (rejection === undefined) admitted.set(pod.metadata.uid, pod);
      return rejection;
    },
  };

  function startWorker(pod: Pod): void {
    const worker = new PodWorker(workerDeps, pod);
    workers.set(worker.uid, worker);
    const done = worker.run(signal).finally(() => {
      running.delete(done);
      workers.delete(worker.uid);
      admitted.delete(worker.uid);
    });
    running.add(done);
  }

  function podChanged(pod: Pod): void {
    const worker = workers.get(pod.metadata.uid);
    if (worker === undefined) {
      startWorker(pod);
      return;
    }
    if (admitted.has(worker.uid)) admitted.set(worker.uid, pod);
    const before = worker.pod;
    worker.update(pod, asksForSync(before, pod, worker.status));
  }

  /** What it held is free at once, as it is for the scheduler, which may have given it to a pod that comes next. */
  function podGone(uid: string, last?: Pod): void {
    admitted.delete(uid);
    workers.get(uid)?.remove(last);
  }

  const source = new PodSource(
    {
      changed: podChanged,
      gone: podGone,
      refused(pod, why) {
        statuses.set(pod, rejectedStatus(pod, 'InvalidPod', why, clock.now()));
        // Nothing of it ever ran here.
        if (pod.metadata.deletionTimestamp !== undefined) statuses.finish(pod);
      },
      forgotten: (uid) => statuses.forget(uid),
    },
    deps.leftOut,
  );

  const subscribe = (): (() => void)[] => [
    pods.subscribe(source),
    nodes.subscribe({ deleted: ({ metadata }) => void (metadata.name === nodeName && nodeAgent.deleted()) }),
  ];

  const orphans = createOrphans({
    pleg,
    observer,
    runtime: podRuntime,
    volumes,
    cgroups,
    paths,
    log,
    isKnown: (uid) => workers.has(uid),
  });
  const logRotation = createLogRotation({
    runtime,
    log,
    maxBytes: options.containerLogMaxBytes,
    maxFiles: options.containerLogMaxFiles,
  });

  async function runPods(): Promise<void> {
    // Until the list of pods is complete nobody can tell which containers are orphans: nothing is touched.
    if (!(await untilSynced([pods, nodes, services], signal))) return;
    const node = observeNode.machine;
    await cgroups.prepare({ cpuMillis: node.cpuCount * 1000, memoryBytes: node.memoryBytes });
    const unsubscribe = subscribe();
    try {
      while (!signal.aborted) {
        await orphans.collect();
        await logRotation.rotate();
        crashBackOff.collect();
        objects.collect();
        await sleep(clock, housekeepingMs, signal);
      }
    } finally {
      for (const off of unsubscribe) off();
      probes.stop();
      await Promise.all(running);
      await statuses.stop();
    }
  }

  async function untilListed(): Promise<void> {
    while (!signal.aborted) {
      try {
        await pleg.relist();
        return;
      } catch (error) {
        log.warn({ err: error }, 'the container runtime could not be listed; will be tried again');
        await sleep(clock, 500, signal);
      }
    }
  }

  // A node whose pods have not been listed once reports itself as not ready.
  await untilListed();
  events.event({ kind: 'Node', name: nodeName, uid: nodeName }, 'Normal', 'Starting', 'Starting kubelet.');
  const server = serveKubelet(
    {
      runtime,
      log,
      clock,
      nodeName,
      runtimeName: version.runtimeName,
      workers: () => [...workers.values()],
      observeNode: observeNode.observe,
      cgroups: hostCgroups,
      cgroupRoot: options.cgroupRoot,
      startedMs: clock.now(),
      configuration: kubeletConfiguration(options),
    },
    options.serving,
    signal,
  );
  const parts = [nodeAgent.run(signal), health.run(signal), pleg.run(signal), runPods(), server].map((part) =>
    part.catch((error: unknown) => {
      inner.abort();
      throw error;
    }),
  );
  const results = await Promise.allSettled(parts);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  log.info({ node: nodeName }, 'the kubelet has ended; containers run on');
}

/** False when the signal came first. */
async function untilSynced(
  list: readonly { untilSynced(signal: AbortSignal): Promise<void> }[],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await Promise.all(list.map((informer) => informer.untilSynced(signal)));
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
