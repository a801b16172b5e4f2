/**
 * Sets the CPU and memory of running containers and of their pod's control group to the pod's allocation. The order of the steps keeps the
 * containers' limits within the pod's limits at every moment.
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

/** The dependencies of {@link actuateResize}. */
export interface ActuateDeps {
  runtime: Pick<ContainerRuntime, 'updateContainerResources' | 'containerStats'>;
  cgroups: Pick<PodCgroups, 'read' | 'update' | 'usedMemoryBytes'>;
  machine: MachineResources;
  /** Called for each container whose resources were changed. */
  record(uid: string, name: string, id: string, resources: ResourceRequirements): void;
}

/** The limits of a pod's control group that differ from the allocation. Pure. */
export function podLimitsToChange(pod: Pod, current: CgroupLimits | undefined, version: 1 | 2): CgroupLimits {
  const wanted = podCgroupLimits(pod);
  if (current === undefined) return {};
  // In version 2, several values of shares give the same weight.
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
/** The kernel counts memory in whole pages, and treats a number above its maximum as no limit. */
const wholePages = (bytes: number): number =>
  bytes < 0 || bytes >= 2 ** 63 - pageBytes ? Number.POSITIVE_INFINITY : Math.floor(bytes / pageBytes);

/**
 * Carries out the plan. Steps done before a failure stay done; the next plan has the remaining ones.
 * @param pod with its allocated resources
 * @throws Error when a memory limit would be below the current usage; RuntimeError or a system error when runtime or kernel refuses
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

/** Whether a limit is lower than the current one. An absent or negative current limit means unlimited. */
const isBelow = (limit: number, current: number | undefined): boolean => current === undefined || current < 0 || limit < current;

/** Refuses memory limits below the current usage: the kernel would kill processes. @throws Error that names the container or the pod */
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

/** Memory and CPU are changed in separate steps. In each step, the other one keeps its current value. */
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
