/**
 * Gives running containers and their pod's control group the CPU and memory that the pod was promised, in an order in which the limits of
 * the containers always fit into those of the pod.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (doPodResizeAction, validateMemoryResizeAction).
 */
import { type CgroupLimits, sharesToWeight } from '#agent/host/cgroup.ts';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { formatQuantity, milliQuantity, wholeQuantity } from '#api/quantity.ts';
import type { Container, Pod, ResourceRequirements } from '#api/types.generated.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import { containerResources, type MachineResources, podCgroupLimits } from '../resources/resources.ts';
import type { ContainerUpdate, Measures, ResizePlan } from './resize-plan.ts';

/** What a resize needs of the node. */
export interface ActuateDeps {
  runtime: Pick<ContainerRuntime, 'updateContainerResources' | 'containerStats'>;
  cgroups: Pick<PodCgroups, 'read' | 'update' | 'usedMemoryBytes'>;
  machine: MachineResources;
  /** Told of each container that was given other resources. */
  record(uid: string, name: string, id: string, resources: ResourceRequirements): void;
}

/** Which of the limits of a pod's group are others than they should be. Pure. */
export function podLimitsToChange(pod: Pod, current: CgroupLimits | undefined, version: 1 | 2): CgroupLimits {
  const wanted = podCgroupLimits(pod);
  if (current === undefined) return {};
  // Of version 2, several numbers of shares are the same weight.
  const isWeightOther = version === 1 || sharesToWeight(wanted.cpuShares ?? 0) !== sharesToWeight(current.cpuShares ?? 0);
  const isOther = (name: keyof CgroupLimits): boolean => wanted[name] !== undefined && wanted[name] !== current[name];
  const isMemoryOther = isOther('memoryBytes') && wholePages(wanted.memoryBytes ?? 0) !== wholePages(current.memoryBytes ?? 0);
  return {
    ...(isOther('cpuShares') && isWeightOther ? { cpuShares: wanted.cpuShares } : {}),
    ...(isOther('cpuQuotaUs') ? { cpuPeriodUs: wanted.cpuPeriodUs, cpuQuotaUs: wanted.cpuQuotaUs } : {}),
    ...(isMemoryOther ? { memoryBytes: wanted.memoryBytes } : {}),
  };
}

const pageBytes = 4096;
/** The kernel counts memory in pages, up to the largest number that it has: more is no limit. */
const wholePages = (bytes: number): number =>
  bytes < 0 || bytes >= 2 ** 63 - pageBytes ? Number.POSITIVE_INFINITY : Math.floor(bytes / pageBytes);

/**
 * Carries the plan out. What was done before a failure stays; the next plan has the rest.
 * @param pod as it was promised
 * @throws Error when a memory limit would be below what is in use; RuntimeError or a system error when runtime or kernel refuse
 */
export async function actuateResize(deps: ActuateDeps, pod: Pod, plan: ResizePlan): Promise<void> {
  const current = await deps.cgroups.read(pod);
  const { memoryBytes, cpuShares, cpuQuotaUs, cpuPeriodUs } = podLimitsToChange(pod, current, deps.machine.cgroupVersion);
  await checkMemory(
    deps,
    pod,
    plan,
    memoryBytes !== undefined && isBelow(memoryBytes, current?.memoryBytes) ? memoryBytes : undefined,
  );
  const group = (limits: CgroupLimits): Promise<void> => deps.cgroups.update(pod, limits);
  const update = (one: ContainerUpdate, which: 'cpu' | 'memory'): Promise<void> => updateContainer(deps, pod, one, which);

  const memory = memoryBytes === undefined ? undefined : { memoryBytes };
  const memoryGrows = memory !== undefined && !isBelow(memory.memoryBytes, current?.memoryBytes);
  if (memory !== undefined && memoryGrows) await group(memory);
  for (const one of plan.memory) await update(one, 'memory');
  if (memory !== undefined && !memoryGrows) await group(memory);

  const quota = cpuQuotaUs === undefined ? undefined : { cpuPeriodUs, cpuQuotaUs };
  const quotaGrows = quota !== undefined && !isBelow(quota.cpuQuotaUs, current?.cpuQuotaUs);
  const shares = cpuShares === undefined ? undefined : { cpuShares };
  const sharesGrow = shares !== undefined && shares.cpuShares > (current?.cpuShares ?? 0);
  if (quota !== undefined && quotaGrows) await group(quota);
  if (shares !== undefined && sharesGrow) await group(shares);
  for (const one of plan.cpu) await update(one, 'cpu');
  if (shares !== undefined && !sharesGrow) await group(shares);
  if (quota !== undefined && !quotaGrows) await group(quota);
}

/** Whether a limit is lower than the present one; an absent or negative present one is none. */
const isBelow = (limit: number, current: number | undefined): boolean => current === undefined || current < 0 || limit < current;

/** A limit below what is in use would have the kernel kill. @throws Error that says which */
async function checkMemory(deps: ActuateDeps, pod: Pod, plan: ResizePlan, podBytes: number | undefined): Promise<void> {
  const lowered = plan.memory.filter(
    ({ from, to }) => to.memoryLimitBytes !== 0 && (from.memoryLimitBytes === 0 || to.memoryLimitBytes < from.memoryLimitBytes),
  );
  const problems: string[] = [];
  if (podBytes !== undefined) {
    const used = await deps.cgroups.usedMemoryBytes(pod);
    if (used === undefined) problems.push('missing pod memory usage');
    else if (used >= podBytes) problems.push(`attempting to set pod memory limit (${podBytes}) below current usage (${used})`);
  }
  for (const { container, id, to } of lowered) {
    const { memory } = await deps.runtime.containerStats(id);
    const used = memory?.usageBytes ?? memory?.workingSetBytes;
    const quoted = JSON.stringify(container.name);
    if (used === undefined) problems.push(`missing container ${quoted} memory usage`);
    else if (used >= to.memoryLimitBytes)
      problems.push(`attempting to set container ${quoted} memory limit (${to.memoryLimitBytes}) below current usage (${used})`);
  }
  if (problems.length === 0) return;
  const text = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`;
  throw new Error(`cannot decrease memory limits: ${text}`);
}

/** Memory and CPU are given one after the other: of the one that is not this one's turn, the container keeps what it has. */
async function updateContainer(deps: ActuateDeps, pod: Pod, update: ContainerUpdate, which: 'cpu' | 'memory'): Promise<void> {
  const { container, id, from, to } = update;
  const next: Measures =
    which === 'memory'
      ? { ...from, memoryRequestBytes: to.memoryRequestBytes, memoryLimitBytes: to.memoryLimitBytes }
      : { ...from, cpuRequestMillis: to.cpuRequestMillis, cpuLimitMillis: to.cpuLimitMillis };
  const resources = requirements(next);
  await deps.runtime.updateContainerResources(
    id,
    containerResources(pod, { ...container, resources } as Container, deps.machine),
  );
  Object.assign(from, next);
  deps.record(pod.metadata.uid, container.name, id, resources);
}

function requirements(measures: Measures): ResourceRequirements {
  const list = (cpuMillis: number, memoryBytes: number): Record<string, string> => ({
    ...(cpuMillis === 0 ? {} : { cpu: formatQuantity(milliQuantity(BigInt(cpuMillis))) }),
    ...(memoryBytes === 0 ? {} : { memory: formatQuantity(wholeQuantity(BigInt(memoryBytes), 'BinarySI')) }),
  });
  return {
    requests: list(measures.cpuRequestMillis, measures.memoryRequestBytes),
    limits: list(measures.cpuLimitMillis, measures.memoryLimitBytes),
  };
}
