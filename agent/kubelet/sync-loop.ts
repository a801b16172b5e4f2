/**
 * The kubelet's loop over the pods of this node. It passes pods from the API to the pod set, and runs the periodic cleanup. PLEG and probes
 * wake the pods' workers directly.
 *
 * Source: upstream `pkg/kubelet/kubelet.go` (syncLoop, HandlePodCleanups).
 */

import type { Logger } from 'pino';
import type { MachineInfo } from '#agent/host/proc.ts';
import type { Node, Pod, Service } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import type { Informer } from '#client/informer.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { Resizes } from './allocation/resizes.ts';
import type { LogRotation } from './logs/log-rotation.ts';
import type { NodeAgent } from './node/node-agent.ts';
import type { Orphans } from './pod/orphans.ts';
import type { PodSet } from './pod/pod-set.ts';
import type { Probes } from './probes/probes.ts';
import type { PodCgroups } from './resources/pod-cgroups.ts';
import type { MirrorPods } from './static/mirror-pods.ts';
import type { ManifestSource } from './static/static-pod.ts';
import type { StaticPods } from './static/static-pods.ts';
import type { StatusWriter } from './status/status-writer.ts';

/** The parts that the loop runs, and stops in order. */
export interface SyncLoopParts {
  pods: PodSet;
  statics: StaticPods;
  /** Takes the API's pods. */
  mirrorPods: MirrorPods;
  probes: Probes;
  statuses: StatusWriter;
  cgroups: PodCgroups;
  orphans: Orphans;
  resizes: Pick<Resizes, 'load'>;
  logRotation: LogRotation;
  /** Caches that drop old entries in `collect`. */
  collectors: readonly { collect(): void }[];
}

/** The dependencies of {@link runSyncLoop}. */
export interface SyncLoopDeps extends SyncLoopParts {
  /** The informers of the objects that starting a pod needs. The loop waits until their caches are complete. */
  informers: { pods: Informer<Pod>; nodes: Informer<Node>; services: Pick<Informer<Service>, 'untilSynced'> };
  nodeAgent: Pick<NodeAgent, 'deleted'>;
  nodeName: string;
  machine: MachineInfo;
  /** What reads the manifests of static pods and tells `statics` of them. */
  manifests: Partial<Record<ManifestSource, { run(signal: AbortSignal): Promise<void> }>>;
  clock: Clock;
  log: Logger;
}

const housekeepingMs = 30_000;

/**
 * Runs until `signal` aborts, and settles when workers, probes and the writing of statuses have ended. Static pods start at once; the
 * API's pods when everything is known that they are started with.
 * @throws Error when an informer fails, or the control group of all pods cannot be made
 */
export async function runSyncLoop(deps: SyncLoopDeps, signal: AbortSignal): Promise<void> {
  const { machine, pods, probes, statuses, mirrorPods } = deps;
  await deps.cgroups.prepare({ cpuMillis: machine.cpuCount * 1000, memoryBytes: machine.memoryBytes });
  await deps.resizes.load();
  const reading = Object.values(deps.manifests).map((source) => source.run(signal));
  const unsubscribe: (() => void)[] = [];
  try {
    const keeping = keepLogs(deps, signal);
    // Before the lists of pods are complete, orphans cannot be recognized, so nothing is removed.
    if ((await untilSynced(deps.informers, signal)) && (await untilRead(deps, signal))) {
      unsubscribe.push(...subscribe(deps));
      mirrorPods.complete();
      while (!signal.aborted) {
        await deps.orphans.collect();
        mirrorPods.reconcile();
        await sleep(deps.clock, housekeepingMs, signal);
      }
    }
    await keeping;
  } finally {
    for (const off of unsubscribe) off();
    probes.stop();
    await Promise.all(reading);
    await mirrorPods.stop();
    await pods.ended();
    await statuses.stop();
  }
}

async function keepLogs({ logRotation, collectors, clock }: SyncLoopDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await logRotation.rotate();
    for (const collector of collectors) collector.collect();
    await sleep(clock, housekeepingMs, signal);
  }
}

/** Resolves when each source was read once: containers of its pods would look like orphans before. @returns false when `signal` aborts first */
async function untilRead(
  { statics, manifests }: Pick<SyncLoopDeps, 'statics' | 'manifests'>,
  signal: AbortSignal,
): Promise<boolean> {
  const sources = Object.keys(manifests) as ManifestSource[];
  await Promise.race([Promise.all(sources.map((source) => statics.first(source))), untilAborted(signal)]);
  return !signal.aborted;
}

/** @returns false when `signal` aborts first */
async function untilSynced({ pods, nodes, services }: SyncLoopDeps['informers'], signal: AbortSignal): Promise<boolean> {
  try {
    await Promise.all([pods, nodes, services].map((informer) => informer.untilSynced(signal)));
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

/** @returns what ends the subscriptions */
function subscribe({ informers, mirrorPods, nodeAgent, nodeName }: SyncLoopDeps): (() => void)[] {
  return [
    informers.pods.subscribe(mirrorPods),
    informers.nodes.subscribe({
      added: () => mirrorPods.reconcile(),
      deleted: ({ metadata }) => void (metadata.name === nodeName && nodeAgent.deleted()),
    }),
  ];
}
