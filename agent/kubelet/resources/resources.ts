/**
 * Converts requests and limits to settings of control groups: shares, quotas and out-of-memory scores. Pure.
 *
 * Source: upstream `pkg/kubelet/cm/helpers_linux.go`, `pkg/kubelet/qos/policy.go`, `pkg/apis/core/v1/helper/qos`, KEP-753
 * (how init containers and sidecars add up).
 */

import type { CgroupLimits } from '#agent/host/cgroup.ts';
import type { LinuxContainerResources } from '#agent/runtime/runtime.ts';
import { type QosClass, qosClass } from '#api/pod/qos.ts';
import { amount, amountOf, isLimited, podLimits, podRequests } from '#api/pod/requests.ts';
import type { Container, Pod, ResourceRequirements } from '#api/types.generated.ts';
import { isStaticPod } from '../static/static-pod.ts';

const cpuPeriodUs = 100_000;
const minQuotaUs = 1000;
const minShares = 2;
const maxShares = 262_144;

/** CPU in thousandths as cgroup shares; 0 gives the lowest shares of the kernel, 2. Pure. */
export function cpuShares(millis: number): number {
  if (millis === 0) return minShares;
  return Math.min(Math.max(Math.floor((millis * 1024) / 1000), minShares), maxShares);
}

/** CPU in thousandths as microseconds per period of 100 ms; 0: no limit. Pure. */
export function cpuQuotaUs(millis: number): number {
  return millis === 0 ? 0 : Math.max(Math.floor((millis * cpuPeriodUs) / 1000), minQuotaUs);
}

/**
 * A pod's limit in the units of `Amounts` (CPU in thousandths, else whole units); undefined unless the pod, or every container,
 * has one.
 */
export const podLimit = (pod: Pod, name: string): number | undefined =>
  isLimited(pod, name) ? amountOf(podLimits(pod), name) : undefined;

/** The limits of the pod's own control group. */
export function podCgroupLimits(pod: Pod): CgroupLimits {
  const qos = qosClass(pod);
  if (qos === 'BestEffort') return { cpuShares: minShares };
  const cpuLimit = podLimit(pod, 'cpu');
  const memoryLimit = podLimit(pod, 'memory');
  return {
    cpuShares: cpuShares(amountOf(podRequests(pod), 'cpu')),
    ...(cpuLimit === undefined ? {} : { cpuPeriodUs, cpuQuotaUs: cpuQuotaUs(cpuLimit) }),
    ...(memoryLimit === undefined ? {} : { memoryBytes: memoryLimit }),
  };
}

const guaranteedScore = -997;

/** What the node itself needs: the class may be written by anybody, the priority only by the API server, and a static pod by nobody else. */
const isNodeCriticalPod = (pod: Pod): boolean =>
  pod.spec.priorityClassName === 'system-node-critical' && (isStaticPod(pod) || (pod.spec.priority ?? 0) >= 2_000_000_000);

/**
 * The `oom_score_adj` of the container, -1000 to 1000: with a higher one, the kernel kills it earlier when memory runs out.
 * Pure.
 */
export function oomScoreAdjust(pod: Pod, container: Container, machineMemoryBytes: number): number {
  if (isNodeCriticalPod(pod)) return guaranteedScore;
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return guaranteedScore;
  if (qos === 'BestEffort') return 1000;
  const request = amount('memory', container.resources?.requests?.['memory'] ?? container.resources?.limits?.['memory']);
  const score = 1000 - Math.floor((1000 * request) / machineMemoryBytes);
  // Between guaranteed containers, which are killed last, and best-effort ones, which are killed first.
  return Math.min(Math.max(score, 1000 + guaranteedScore), 999);
}

/** A container's CPU and memory. Limits that it does not set come from its pod's limits. */
export function effectiveResources(pod: Pod, container: Container): ResourceRequirements {
  const only = (list: ResourceRequirements['limits']): Record<string, string | number> => {
    const { cpu, memory } = list ?? {};
    return { ...(cpu === undefined ? {} : { cpu }), ...(memory === undefined ? {} : { memory }) };
  };
  return {
    requests: only(container.resources?.requests),
    limits: { ...only(pod.spec.resources?.limits), ...only(container.resources?.limits) },
  };
}

/** The facts of a machine on which containers' settings depend. */
export interface MachineResources {
  memoryBytes: number;
  cgroupVersion: 1 | 2;
}

/** The container's limits in CRI's terms. */
export function containerResources(pod: Pod, container: Container, machine: MachineResources): LinuxContainerResources {
  const { requests, limits } = container.resources ?? {};
  const cpuLimit = amount('cpu', limits?.['cpu'] ?? pod.spec.resources?.limits?.['cpu']);
  const cpuRequest = amount('cpu', requests?.['cpu'] ?? limits?.['cpu']);
  const memoryLimit = amount('memory', limits?.['memory'] ?? pod.spec.resources?.limits?.['memory']);
  const hugepages = Object.entries(limits ?? {}).filter(([name]) => name.startsWith('hugepages-'));
  return {
    cpuShares: cpuShares(cpuRequest),
    cpuPeriod: cpuPeriodUs,
    ...(cpuLimit === 0 ? {} : { cpuQuota: cpuQuotaUs(cpuLimit) }),
    ...(memoryLimit === 0 ? {} : { memoryLimitInBytes: memoryLimit }),
    // Pods get no swap. On cgroup v1 the runtime decides that.
    ...(memoryLimit === 0 || machine.cgroupVersion === 1 ? {} : { memorySwapLimitInBytes: memoryLimit }),
    oomScoreAdj: oomScoreAdjust(pod, container, machine.memoryBytes),
    ...(hugepages.length === 0
      ? {}
      : {
          hugepageLimits: hugepages.map(([name, quantity]) => ({
            pageSize: `${name.slice('hugepages-'.length)}B`,
            limit: amount(name, quantity),
          })),
        }),
    // When memory runs out, the kernel kills all processes of the container and not only one of them.
    ...(machine.cgroupVersion === 2 ? { unified: { 'memory.oom.group': '1' } } : {}),
  };
}

const qosDirectory: Record<QosClass, string> = { Guaranteed: '', Burstable: '/burstable', BestEffort: '/besteffort' };

/** `/kubepods/burstable/pod<uid>` below the kubelet's cgroup root. */
export const podCgroup = (root: string, pod: Pod): string =>
  `${root}/kubepods${qosDirectory[qosClass(pod)]}/pod${pod.metadata.uid}`;
