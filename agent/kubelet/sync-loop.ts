/**
 * The kubelet's loop over the pods of this node. It passes pods from the API to the pod set, and runs the periodic cleanup. PLEG and probes
 * wake the pods' workers directly.
 *
 * Source: upstream `pkg/kubelet/kubelet.go` (syncLoop, HandlePodCleanups).
 */

import type { MachineInfo } from '#agent/host/proc.ts';
import type { Node, Pod, Service } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import type { Informer } from '#client/informer.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import type { Resizes } from './allocation/resizes.ts';
import type { LogRotation } from './logs/log-rotation.ts';
import type { NodeAgent } from './node/node-agent.ts';
import type { Orphans } from './pod/orphans.ts';
import type { PodSet } from './pod/pod-set.ts';
import { PodSource } from './pod/pod-source.ts';
import type { Probes } from './probes/probes.ts';
import type { PodCgroups } from './resources/pod-cgroups.ts';
import type { StatusWriter } from './status/status-writer.ts';

/** The parts that the loop runs, and stops in order. */
export interface SyncLoopParts {
  pods: PodSet;
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
  leftOut: LeftOutReporter;
  clock: Clock;
}

const housekeepingMs = 30_000;

/**
 * Runs until `signal` aborts, and settles when workers, probes and the writing of statuses have ended.
 * @throws Error when an informer fails, or the control group of all pods cannot be made
 */
export async function runSyncLoop(deps: SyncLoopDeps, signal: AbortSignal): Promise<void> {
  const { machine, pods, probes, statuses } = deps;
  // Before the list of pods is complete, orphans cannot be recognized, so nothing is removed.
  if (!(await untilSynced(deps.informers, signal))) return;
  await deps.cgroups.prepare({ cpuMillis: machine.cpuCount * 1000, memoryBytes: machine.memoryBytes });
  await deps.resizes.load();
  const unsubscribe = subscribe(deps);
  try {
    while (!signal.aborted) {
      await keepHouse(deps);
      await sleep(deps.clock, housekeepingMs, signal);
    }
  } finally {
    for (const off of unsubscribe) off();
    probes.stop();
    await pods.ended();
    await statuses.stop();
  }
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

/** @returns functions that end the subscriptions */
function subscribe({ informers, pods, nodeAgent, nodeName, leftOut }: SyncLoopDeps): (() => void)[] {
  return [
    informers.pods.subscribe(new PodSource(pods, leftOut)),
    informers.nodes.subscribe({ deleted: ({ metadata }) => void (metadata.name === nodeName && nodeAgent.deleted()) }),
  ];
}

async function keepHouse({ orphans, logRotation, collectors }: SyncLoopDeps): Promise<void> {
  await orphans.collect();
  await logRotation.rotate();
  for (const collector of collectors) collector.collect();
}
