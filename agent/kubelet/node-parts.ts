/** Assembles the parts that serve the whole node: the runtime's health, PLEG, and the Node object. */
import type { Cgroups } from '#agent/host/cgroup.ts';
import { createCgroups } from '#agent/host/cgroup.ts';
import type { MachineInfo } from '#agent/host/proc.ts';
import { localPathFolderAnnotation } from '#api/storage/local-path.ts';
import type { Node } from '#api/types.generated.ts';
import type { KubeletDeps } from './kubelet-deps.ts';
import { createNodeAgent, type NodeAgent } from './node/node-agent.ts';
import { createNodeObserver } from './node/node-observer.ts';
import type { NodeObservation } from './node/node-status.ts';
import { kubeletVersion, type ResolvedOptions } from './options.ts';
import { kubeletPaths } from './paths.ts';
import { createPleg, type Pleg } from './pod/pleg.ts';
import { createRuntimeHealth, type RuntimeHealth } from './runtime-health.ts';

/** The parts that serve the node as a whole. */
export interface NodeParts {
  health: RuntimeHealth;
  pleg: Pleg;
  nodeAgent: NodeAgent;
  cgroups: Cgroups;
  machine: MachineInfo;
  observeNode(): Promise<NodeObservation>;
  /** This node with the status that was computed last; undefined before its Node is in the informer's cache. */
  node(): Node | undefined;
  /** The node's allocatable resources as quantities. Empty before a status was computed or read. */
  allocatable(): Record<string, string | number>;
}

/**
 * @param podChanged called with a pod's UID when the pod changed in the runtime; not before PLEG runs
 * @throws Error when the machine or its control groups cannot be read
 */
export async function createNodeParts(
  deps: KubeletDeps,
  options: ResolvedOptions,
  podChanged: (uid: string) => void,
): Promise<NodeParts> {
  const { client, informers, runtime, clock, random, log, events } = deps;
  const cgroups = deps.cgroups ?? (await createCgroups());
  const health = createRuntimeHealth({ runtime, clock, log, changed: () => nodeAgent.reportNow() });
  const pleg = createPleg({ runtime, clock, log, changed: podChanged });
  const observer = await createNodeObserver({ runtime, health, pleg, clock, dataDir: options.dataDir });
  const nodeAgent = createNodeAgent(
    { client, clock, random, events, log, observe: observer.observe },
    {
      nodeName: options.nodeName,
      nodeIps: options.nodeIps,
      maxPods: options.maxPods,
      kubeletPort: options.serving.port,
      kubeletVersion,
      thresholds: options.evictionHard,
      labels: options.nodeLabels,
      annotations: { [localPathFolderAnnotation]: kubeletPaths(options.dataDir, options.podLogsDir).localPathDir },
      taints: options.registerWithTaints,
      statusIntervalMs: options.nodeStatusUpdateFrequencyMs,
      reportIntervalMs: options.nodeStatusReportFrequencyMs,
      leaseDurationSeconds: options.nodeLeaseDurationSeconds,
      pressureTransitionPeriodMs: options.evictionPressureTransitionPeriodMs,
    },
  );
  const cached = (): Node | undefined => informers.informer('nodes').cache.get(options.nodeName);
  const allocatable = (): Record<string, string | number> =>
    nodeAgent.status()?.allocatable ?? cached()?.status?.allocatable ?? {};
  return {
    health,
    pleg,
    nodeAgent,
    cgroups,
    machine: observer.machine,
    observeNode: observer.observe,
    node() {
      const node = cached();
      if (node === undefined) return undefined;
      return { ...node, status: { ...node.status, ...nodeAgent.status(), allocatable: allocatable() } };
    },
    allocatable,
  };
}
