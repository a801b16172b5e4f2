/**
 * The status of this Node. Pure.
 *
 * Source: upstream `pkg/kubelet/nodestatus/setters.go`, `pkg/kubelet/eviction` (default thresholds).
 */

import type { MachineInfo } from '#agent/host/proc.ts';
import type { Image, RuntimeStatus, RuntimeVersion } from '#agent/runtime/runtime.ts';
import { rfc3339 } from '#api/meta.ts';
import { amount } from '#api/pod/requests.ts';
import type { ContainerImage, NodeCondition, NodeStatus } from '#api/types.generated.ts';
import { byteQuantity, cpuQuantity } from '../resources/quantities.ts';
import { type NodeReadings, type PressureCondition, type PressureThresholds, shortages } from './pressure.ts';

/** The features that this kubelet declares. The API server allows some pod updates only if the node declares them (KEP-5328). Sorted. */
const declaredFeatures = ['InPlacePodLevelResourcesVerticalScaling', 'InPlacePodVerticalScalingInitContainers'];

/** The inputs of a status: the machine, and the runtime's last answer. */
export interface NodeObservation extends NodeReadings {
  machine: MachineInfo;
  hugePages: Readonly<Record<string, number>>;
  images: readonly Image[];
  runtimeVersion: RuntimeVersion | undefined;
  runtimeStatus: RuntimeStatus | undefined;
  /** Why the kubelet itself is not ready. */
  problems: readonly string[];
  /** The pressure conditions that are true, some of which outlast their shortage; absent: those of the present shortages. */
  pressures?: ReadonlySet<PressureCondition> | undefined;
}

/** What does not change while the kubelet runs: names, addresses, limits. */
export interface NodeIdentity {
  nodeName: string;
  nodeIps: readonly string[];
  maxPods: number;
  kubeletPort: number;
  kubeletVersion: string;
  thresholds: PressureThresholds;
}

/** Why no pod can have a network, in upstream's words; undefined when it can. */
export function networkProblem(status: RuntimeStatus | undefined): string | undefined {
  const condition = status?.conditions.find(({ type }) => type === 'NetworkReady');
  if (condition === undefined || condition.status) return undefined;
  return `container runtime network not ready: NetworkReady=false reason:${condition.reason} message:${condition.message}`;
}

function runtimeProblems(status: RuntimeStatus | undefined): string[] {
  if (status === undefined) return ['container runtime status check may not have completed yet'];
  const condition = status.conditions.find(({ type }) => type === 'RuntimeReady');
  const network = networkProblem(status);
  return [
    ...(condition?.status === false
      ? [`container runtime not ready: RuntimeReady=false reason:${condition.reason} message:${condition.message}`]
      : []),
    ...(network === undefined ? [] : [network]),
  ];
}

function images(list: readonly Image[]): ContainerImage[] {
  return [...list]
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .slice(0, 50)
    .map(({ repoDigests, repoTags, sizeBytes }) => ({ names: [...repoDigests, ...repoTags].slice(0, 5), sizeBytes }));
}

/** The node's capacity as quantities by resource. Pure. */
export function capacity({ machine, nodefs, hugePages }: NodeObservation, maxPods: number): Record<string, string> {
  return {
    cpu: cpuQuantity(machine.cpuCount * 1000),
    memory: byteQuantity(machine.memoryBytes),
    'ephemeral-storage': byteQuantity(nodefs.capacityBytes),
    pods: `${maxPods}`,
    ...Object.fromEntries(
      Object.entries(hugePages).map(([size, count]) => [
        `hugepages-${size}`,
        count === 0 ? '0' : `${count * Number.parseInt(size, 10)}${size.replace(/^\d+/, '')}`,
      ]),
    ),
  };
}

/**
 * What pods may request: the capacity minus the eviction thresholds. Huge pages are taken off memory, since nothing else can use
 * them. Pure.
 */
export function allocatable(observation: NodeObservation, { maxPods, thresholds }: NodeIdentity): Record<string, string> {
  const { machine, nodefs, hugePages } = observation;
  const reserved = Object.entries(hugePages).map(([size, count]) => count * amount('memory', size));
  const spokenFor = reserved.reduce((sum, bytes) => sum + bytes, thresholds.memoryAvailableBytes);
  return {
    ...capacity(observation, maxPods),
    memory: byteQuantity(Math.max(0, machine.memoryBytes - spokenFor)),
    'ephemeral-storage': `${Math.floor(nodefs.capacityBytes * (1 - thresholds.nodefsAvailable))}`,
  };
}

interface Verdict {
  type: string;
  status: 'True' | 'False';
  reason: string;
  message: string;
}

function verdicts(observation: NodeObservation, thresholds: PressureThresholds): Verdict[] {
  const pressures = observation.pressures ?? new Set(shortages(observation, thresholds).map(({ condition }) => condition));
  const memory = pressures.has('MemoryPressure');
  const disk = pressures.has('DiskPressure');
  const pid = pressures.has('PIDPressure');
  const problems = [...observation.problems, ...runtimeProblems(observation.runtimeStatus)];
  return [
    memory
      ? {
          type: 'MemoryPressure',
          status: 'True',
          reason: 'KubeletHasInsufficientMemory',
          message: 'kubelet has insufficient memory available',
        }
      : {
          type: 'MemoryPressure',
          status: 'False',
          reason: 'KubeletHasSufficientMemory',
          message: 'kubelet has sufficient memory available',
        },
    disk
      ? { type: 'DiskPressure', status: 'True', reason: 'KubeletHasDiskPressure', message: 'kubelet has disk pressure' }
      : { type: 'DiskPressure', status: 'False', reason: 'KubeletHasNoDiskPressure', message: 'kubelet has no disk pressure' },
    pid
      ? {
          type: 'PIDPressure',
          status: 'True',
          reason: 'KubeletHasInsufficientPID',
          message: 'kubelet has insufficient PID available',
        }
      : {
          type: 'PIDPressure',
          status: 'False',
          reason: 'KubeletHasSufficientPID',
          message: 'kubelet has sufficient PID available',
        },
    problems.length === 0
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : {
          type: 'Ready',
          status: 'False',
          reason: 'KubeletNotReady',
          message: problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`,
        },
  ];
}

function conditions(
  observation: NodeObservation,
  thresholds: PressureThresholds,
  previous: readonly NodeCondition[],
  nowMs: number,
): NodeCondition[] {
  const own = verdicts(observation, thresholds);
  const now = rfc3339(nowMs);
  const foreign = previous.filter(({ type }) => !own.some((verdict) => verdict.type === type));
  const made = own.map((verdict): NodeCondition => {
    const before = previous.find(({ type }) => type === verdict.type);
    const since = before?.status === verdict.status ? before.lastTransitionTime : undefined;
    return { ...verdict, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  });
  return [...foreign, ...made];
}

/** The status of the Node, with what other components wrote into `previous`. Pure. @param nowMs since the epoch */
export function nodeStatus(
  identity: NodeIdentity,
  observation: NodeObservation,
  previous: NodeStatus,
  nowMs: number,
): NodeStatus {
  const { machine, runtimeVersion } = observation;
  // Keeps resources that others advertised on the Node (`kubectl patch`, device plugins): pods may use all of them.
  const resources = { ...previous.capacity, ...capacity(observation, identity.maxPods) };
  return {
    ...previous,
    capacity: resources,
    allocatable: { ...resources, ...allocatable(observation, identity) },
    conditions: conditions(observation, identity.thresholds, previous.conditions ?? [], nowMs),
    addresses: [
      ...identity.nodeIps.map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: identity.nodeName },
    ],
    declaredFeatures: [...declaredFeatures],
    daemonEndpoints: { kubeletEndpoint: { Port: identity.kubeletPort } },
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.systemUuid,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion:
        runtimeVersion === undefined
          ? (previous.nodeInfo?.containerRuntimeVersion ?? '')
          : `${runtimeVersion.runtimeName}://${runtimeVersion.runtimeVersion}`,
      kubeletVersion: identity.kubeletVersion,
      // Deprecated since 1.31, and required by the type: upstream leaves it empty.
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: machine.architecture,
    },
    images: images(observation.images),
    ...(observation.runtimeStatus === undefined
      ? {}
      : {
          runtimeHandlers: handlers(observation.runtimeStatus),
          features: { supplementalGroupsPolicy: observation.runtimeStatus.supplementalGroupsPolicy },
        }),
  };
}

const handlers = ({ handlers: list }: RuntimeStatus): NonNullable<NodeStatus['runtimeHandlers']> =>
  list.map(({ name, recursiveReadOnlyMounts, userNamespaces }) => ({
    name,
    features: { recursiveReadOnlyMounts, userNamespaces },
  }));

/** The reasons of the events that tell which conditions changed: `NodeReady`, `NodeHasSufficientMemory`. Pure. */
export function conditionEvents(before: readonly NodeCondition[], after: readonly NodeCondition[]): string[] {
  const names: Record<string, [whenTrue: string, whenFalse: string]> = {
    MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
    DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
    PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
    Ready: ['NodeReady', 'NodeNotReady'],
  };
  return after.flatMap(({ type, status }) => {
    const name = names[type]?.[status === 'True' ? 0 : 1];
    const old = before.find((condition) => condition.type === type)?.status;
    // A new node that is not ready yet sends no event: it has not changed from ready to not ready.
    if (name === undefined || old === status || (type === 'Ready' && old === undefined && status !== 'True')) return [];
    return [name];
  });
}

/** The status without its heartbeat times. A change in what remains is reported at once. Pure. */
export function withoutHeartbeats(status: NodeStatus): NodeStatus {
  return {
    ...status,
    conditions: (status.conditions ?? []).map((condition) => ({ ...condition, lastHeartbeatTime: undefined })),
  };
}
