/** Assembles the parts that run this node's pods: volumes, images, containers, probes, statuses, and the set of pods that uses them. */

import type { Mounts } from '#agent/host/mount.ts';
import type { Node } from '#api/types.generated.ts';
import { createCheckpoints } from './allocation/checkpoints.ts';
import { Resizes } from './allocation/resizes.ts';
import { createBackOff } from './backoff.ts';
import { createContainerStarter } from './container/container-starter.ts';
import { createNodeFiles } from './container/node-files.ts';
import { createImagePuller } from './images/image-puller.ts';
import { createPodPullSecrets } from './images/pod-pull-secrets.ts';
import type { KubeletDeps } from './kubelet-deps.ts';
import { createLanes } from './lane.ts';
import { createLogRotation } from './logs/log-rotation.ts';
import { networkProblem } from './node/node-status.ts';
import type { NodeParts } from './node-parts.ts';
import { createReferencedObjects } from './objects.ts';
import type { ResolvedOptions } from './options.ts';
import type { Paths } from './paths.ts';
import { createHookRunner } from './pod/lifecycle.ts';
import { createObserver } from './pod/observe.ts';
import { createOrphans } from './pod/orphans.ts';
import { createPodRuntime } from './pod/pod-runtime.ts';
import { PodSet } from './pod/pod-set.ts';
import { PodSource } from './pod/pod-source.ts';
import { createProbeRunner } from './probes/probe-run.ts';
import { createProbes } from './probes/probes.ts';
import { createPodCgroups } from './resources/pod-cgroups.ts';
import { MirrorPods } from './static/mirror-pods.ts';
import { StaticPods } from './static/static-pods.ts';
import { createStatusWriter } from './status/status-writer.ts';
import type { SyncLoopParts } from './sync-loop.ts';
import { claimSources } from './volumes/claims.ts';
import { createPathGate } from './volumes/path-gate.ts';
import { createServiceAccountTokens } from './volumes/token-cache.ts';
import { createVolumes } from './volumes/volumes.ts';

/** The inputs of {@link createPodParts} besides the kubelet's dependencies and options. */
export interface PodPartsInputs {
  paths: Paths;
  mounts: Mounts;
  nodeParts: NodeParts;
  /** The container runtime's own name: `containerd`, `docker`. */
  runtimeName: string;
  /** Called with a pod's UID when the result of a probe changed. */
  wake: (uid: string) => void;
  /** Stops the workers of the pods. */
  signal: AbortSignal;
}

/** The parts that run pods. They do nothing before the pod set gets its first pod. */
export function createPodParts(deps: KubeletDeps, options: ResolvedOptions, inputs: PodPartsInputs): SyncLoopParts {
  const { paths, mounts, nodeParts, runtimeName, wake, signal } = inputs;
  const { client, runtime, clock, random, log, events } = deps;
  const { health, pleg, machine } = nodeParts;
  const { cgroupRoot } = options;
  const services = deps.informers.informer('services');
  const runner = deps.probeRunner ?? createProbeRunner(runtime);
  const probes = createProbes({ runner, clock, random, events, log, changed: wake });
  const objects = createReferencedObjects(client, clock);
  const tokens = createServiceAccountTokens({ client, clock, random });
  const gate = createPathGate(clock);
  const claims = claimSources(client, () => nodeParts.node()?.metadata.labels);
  const volumes = createVolumes({ paths, mounts, gate, sources: { objects, tokens }, claims });
  const lanes = createLanes(clock, machine.cpuCount);
  const crashBackOff = createBackOff(clock, { initialMs: 10_000, maxMs: 300_000 });
  const cgroups = createPodCgroups(nodeParts.cgroups, cgroupRoot);
  const machineResources = { memoryBytes: machine.memoryBytes, cgroupVersion: nodeParts.cgroups.hierarchy.version };
  const resizes = new Resizes({
    checkpoints: createCheckpoints(paths.dataDir, paths.allocationsDir, log),
    clock,
    events,
    log,
    node: nodeParts.node,
    wake,
  });
  const podRuntime = createPodRuntime({
    resizes,
    cgroups,
    networkGate: deps.networkGate,
    machine: machineResources,
    lanes,
    runtime,
    clock,
    events,
    log,
    probes,
    crashBackOff,
    paths,
    cgroupRoot,
    hooks: createHookRunner(runtime, clock),
    clusterDns: { servers: options.clusterDns, domain: options.clusterDomain },
    ...createNodeFiles(paths, options),
    starter: createContainerStarter({
      lane: lanes.starts,
      runtime,
      events,
      objects,
      mounts,
      gate,
      paths,
      images: createImagePuller({ runtime, clock, events, serialize: options.serializeImagePulls }),
      services: () => services.cache.list(),
      machine: machineResources,
    }),
  });
  const observer = createObserver(runtime, paths.podsDir);
  const statuses = createStatusWriter({ client, clock, log });
  const pods: PodSet = new PodSet(
    {
      resizes,
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
      syncFrequencyMs: options.syncFrequencyMs,
      log,
      paths,
      runtimeName,
      hostIps: options.nodeIps,
      nodeName: options.nodeName,
      node: nodeParts.node,
      allocatable: nodeParts.allocatable,
      networkProblem: () => networkProblem(health.status()),
      pullSecrets: createPodPullSecrets({ objects, events }),
      ended: (uid) => statics.ended(uid),
    },
    signal,
  );
  const statics: StaticPods = new StaticPods({
    sink: pods,
    changed: () => mirrorPods.reconcile(),
    now: () => clock.now(),
    log,
  });
  const source = new PodSource(pods, deps.leftOut);
  const node = (): Node | undefined => deps.informers.informer('nodes').cache.get(options.nodeName);
  const mirrorPods: MirrorPods = new MirrorPods({ client, statuses, statics, node, clock, log }, source);
  const isKnown = (uid: string): boolean => pods.has(uid);
  return {
    pods,
    statics,
    mirrorPods,
    probes,
    statuses,
    cgroups,
    orphans: createOrphans({ pleg, observer, runtime: podRuntime, volumes, cgroups, paths, log, isKnown }),
    logRotation: createLogRotation({
      runtime,
      log,
      maxBytes: options.containerLogMaxBytes,
      maxFiles: options.containerLogMaxFiles,
    }),
    resizes,
    collectors: [crashBackOff, objects, { collect: () => resizes.forgetUnless(isKnown) }, { collect: () => resizes.retry() }],
  };
}
