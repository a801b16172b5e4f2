/**
 * From requests and limits to control groups: QoS class, shares and quotas, out-of-memory scores. Pure.
 *
 * Source: upstream `pkg/kubelet/cm/helpers_linux.go`, `pkg/kubelet/qos/policy.go`, `pkg/apis/core/v1/helper/qos`, KEP-753
 * (how init containers and sidecars add up).
 */

import type { CgroupLimits } from '#agent/host/cgroup.ts';
import type { LinuxContainerResources } from '#agent/runtime/runtime.ts';
import type { Quantity } from '#api/json.ts';
import type { Container, Pod, ResourceRequirements } from '#api/types.generated.ts';
import { initContainers, isSidecar } from './pod-spec.ts';
import { milliUnits, wholeUnits } from './quantities.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const cpuPeriodUs = 100_000;
const minQuotaUs = 1000;
const minShares = 2;
const maxShares = 262_144;

/** CPU thousandths as cgroup shares; none gives the least the kernel knows. */
export function cpuShares(millis: number): number {
  if (millis === 0) return minShares;
  return Math.min(Math.max(Math.floor((millis * 1024) / 1000), minShares), maxShares);
}

/** CPU thousandths as microseconds per period; 0: no limit. */
export function cpuQuotaUs(millis: number): number {
  return millis === 0 ? 0 : Math.max(Math.floor((millis * cpuPeriodUs) / 1000), minQuotaUs);
}

const qosResources = ['cpu', 'memory'] as const;
const positive = (quantity: Quantity | undefined): boolean => wholeUnits(quantity) > 0;

export function qosClass(pod: Pod): QosClass {
  const all: (ResourceRequirements | undefined)[] =
    pod.spec.resources === undefined
      ? [...pod.spec.containers, ...initContainers(pod)].map(({ resources }) => resources)
      : [pod.spec.resources];
  const set = all.some((resources) =>
    qosResources.some((name) => positive(resources?.requests?.[name]) || positive(resources?.limits?.[name])),
  );
  if (!set) return 'BestEffort';
  const guaranteed = all.every((resources) =>
    qosResources.every((name) => {
      const limit = resources?.limits?.[name];
      const request = resources?.requests?.[name] ?? limit;
      return positive(limit) && milliUnits(limit) === milliUnits(request);
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

type Read = (container: Container) => number;

/**
 * What a pod needs of a resource at its peak: its containers and sidecars together, or an init container with the sidecars
 * that were started before it, whichever is more.
 */
function podTotal(pod: Pod, read: Read): number {
  let sidecars = 0;
  let initPeak = 0;
  for (const container of initContainers(pod)) {
    if (isSidecar(container)) sidecars += read(container);
    initPeak = Math.max(initPeak, isSidecar(container) ? sidecars : sidecars + read(container));
  }
  return Math.max(
    initPeak,
    pod.spec.containers.reduce((sum, container) => sum + read(container), sidecars),
  );
}

const unitsOf = (name: string, quantity: Quantity | undefined): number =>
  name === 'cpu' ? milliUnits(quantity) : wholeUnits(quantity);

/** A pod's request of a resource, in thousandths for `cpu` and whole units otherwise, with the pod's overhead. */
export function podRequest(pod: Pod, name: string): number {
  const own = pod.spec.resources?.requests?.[name];
  const base =
    own === undefined
      ? podTotal(pod, ({ resources }) => unitsOf(name, resources?.requests?.[name] ?? resources?.limits?.[name]))
      : unitsOf(name, own);
  return base + unitsOf(name, pod.spec.overhead?.[name]);
}

/** A pod's limit in the units of {@link podRequest}; undefined unless every container has one. */
export function podLimit(pod: Pod, name: string): number | undefined {
  const own = pod.spec.resources?.limits?.[name];
  if (own !== undefined) return unitsOf(name, own);
  const limited = [...pod.spec.containers, ...initContainers(pod)].every(
    ({ resources }) => unitsOf(name, resources?.limits?.[name]) > 0,
  );
  if (!limited) return undefined;
  return podTotal(pod, ({ resources }) => unitsOf(name, resources?.limits?.[name])) + unitsOf(name, pod.spec.overhead?.[name]);
}

/** Every resource that the pod asks for, in the units of {@link podRequest}. */
export function podRequests(pod: Pod): Map<string, number> {
  const names = new Set<string>();
  for (const { resources } of [...pod.spec.containers, ...initContainers(pod), pod.spec]) {
    for (const name of Object.keys({ ...resources?.requests, ...resources?.limits })) names.add(name);
  }
  return new Map([...names].map((name) => [name, podRequest(pod, name)]));
}

/** The limits of the pod's own control group. */
export function podCgroupLimits(pod: Pod): CgroupLimits {
  const qos = qosClass(pod);
  if (qos === 'BestEffort') return { cpuShares: minShares };
  const cpuLimit = podLimit(pod, 'cpu');
  const memoryLimit = podLimit(pod, 'memory');
  return {
    cpuShares: cpuShares(podRequest(pod, 'cpu')),
    ...(cpuLimit === undefined ? {} : { cpuPeriodUs, cpuQuotaUs: cpuQuotaUs(cpuLimit) }),
    ...(memoryLimit === undefined ? {} : { memoryBytes: memoryLimit }),
  };
}

const guaranteedScore = -997;

/** How readily the kernel kills this container when memory runs out. */
export function oomScoreAdjust(pod: Pod, container: Container, machineMemoryBytes: number): number {
  const critical = (pod.spec.priority ?? 0) >= 2_000_000_000;
  if (critical) return guaranteedScore;
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return guaranteedScore;
  if (qos === 'BestEffort') return 1000;
  const request = wholeUnits(container.resources?.requests?.['memory'] ?? container.resources?.limits?.['memory']);
  const score = 1000 - Math.floor((1000 * request) / machineMemoryBytes);
  // Stay above guaranteed containers, and below best-effort ones.
  return Math.min(Math.max(score, 1000 + guaranteedScore), 999);
}

/** The container's limits in CRI's terms. */
export function containerResources(
  pod: Pod,
  container: Container,
  machine: { memoryBytes: number; cgroupVersion: 1 | 2 },
): LinuxContainerResources {
  const { requests, limits } = container.resources ?? {};
  const cpuLimit = milliUnits(limits?.['cpu'] ?? pod.spec.resources?.limits?.['cpu']);
  const cpuRequest = requests?.['cpu'] === undefined ? milliUnits(limits?.['cpu']) : milliUnits(requests['cpu']);
  const memoryLimit = wholeUnits(limits?.['memory'] ?? pod.spec.resources?.limits?.['memory']);
  const hugepages = Object.entries(limits ?? {}).filter(([name]) => name.startsWith('hugepages-'));
  return {
    cpuShares: cpuShares(cpuRequest),
    cpuPeriod: cpuPeriodUs,
    ...(cpuLimit === 0 ? {} : { cpuQuota: cpuQuotaUs(cpuLimit) }),
    ...(memoryLimit === 0 ? {} : { memoryLimitInBytes: memoryLimit }),
    // Swap is not for pods; in v1 the runtime decides.
    ...(memoryLimit === 0 || machine.cgroupVersion === 1 ? {} : { memorySwapLimitInBytes: memoryLimit }),
    oomScoreAdj: oomScoreAdjust(pod, container, machine.memoryBytes),
    ...(hugepages.length === 0
      ? {}
      : {
          hugepageLimits: hugepages.map(([name, quantity]) => ({
            pageSize: `${name.slice('hugepages-'.length)}B`,
            limit: wholeUnits(quantity),
          })),
        }),
    // One process out of memory takes the whole container with it, as on v1 where the first process dies.
    ...(machine.cgroupVersion === 2 ? { unified: { 'memory.oom.group': '1' } } : {}),
  };
}

const qosDirectory: Record<QosClass, string> = { Guaranteed: '', Burstable: '/burstable', BestEffort: '/besteffort' };

/** `/kubepods/burstable/pod<uid>` below the kubelet's cgroup root. */
export const podCgroup = (root: string, pod: Pod): string =>
  `${root}/kubepods${qosDirectory[qosClass(pod)]}/pod${pod.metadata.uid}`;
