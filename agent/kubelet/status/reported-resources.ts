/**
 * The CPU and memory in a pod's status: the allocation, and the actual resources of containers and pod. Pure.
 *
 * Source: upstream `pkg/kubelet/kubelet_pods.go` (convertContainerStatusResources, convertToAPIPodLevelResourcesStatus),
 * `pkg/kubelet/cm/helpers_linux.go` (SharesToMilliCPU, QuotaToMilliCPU).
 */
import type { CgroupLimits } from '#agent/host/cgroup.ts';
import type { LinuxContainerResources } from '#agent/runtime/runtime.ts';
import type { Quantity } from '#api/json.ts';
import { podResourceList, type ResourceList } from '#api/pod/requests.ts';
import { compareQuantity, formatQuantity, QuantityError, toMillis, wholeQuantity } from '#api/quantity.ts';
import type { Container, Pod, PodStatus, ResourceRequirements } from '#api/types.generated.ts';
import type { ObservedContainer } from '../pod/observed.ts';
import { cpuQuantity } from '../resources/quantities.ts';

/** The kernel cannot represent a smaller request. Up to this value, the status shows the allocation instead. */
const leastSharesMillis = 2;
const leastQuotaMillis = 10;

interface Actual {
  cpuRequest?: Quantity | undefined;
  cpuLimit?: Quantity | undefined;
  memoryRequest?: Quantity | undefined;
  memoryLimit?: Quantity | undefined;
}

/**
 * The actual resources of a running container. @param container with its allocated resources @param actuated what it was last given, used
 * when the runtime does not report it
 */
export function runningResources(
  { resources = {} }: Container,
  { status }: ObservedContainer,
  actuated: ResourceRequirements | undefined,
): ResourceRequirements {
  const given: Actual = {
    cpuRequest: actuated?.requests?.['cpu'],
    cpuLimit: actuated?.limits?.['cpu'],
    memoryRequest: actuated?.requests?.['memory'],
    memoryLimit: actuated?.limits?.['memory'],
  };
  return withActual(resources, { ...given, ...runtimeResources(status.resources) });
}

/** The resources of the pod as a whole. @param pod with its allocated resources */
export function podResources(
  pod: Pod,
  phase: string,
  cgroup: CgroupLimits | undefined,
): Pick<PodStatus, 'resources' | 'allocatedResources'> {
  const ofSpec = { spec: pod.spec };
  const [requests, limits] = [
    readable(() => podResourceList(ofSpec, 'requests')),
    readable(() => podResourceList(ofSpec, 'limits')),
  ];
  const allocatedResources = Object.keys(requests).length === 0 ? {} : { allocatedResources: requests };
  const own = pod.spec.resources ?? {};
  if (phase !== 'Running' || cgroup === undefined)
    return { ...allocatedResources, resources: tidy({ ...own, requests, limits }) };
  const { memory } = requests;
  const promised = {
    ...own,
    requests: { ...(memory === undefined ? {} : { memory }), ...own.requests },
    limits: { ...own.limits },
  };
  const { cpuShares, cpuQuotaUs = -1, cpuPeriodUs = 0, memoryBytes = -1 } = cgroup;
  const actual: Actual = {
    ...(cpuShares === undefined ? {} : { cpuRequest: cpuQuantity(sharesToMillis(cpuShares)) }),
    ...(cpuQuotaUs > 0 && cpuPeriodUs > 0 ? { cpuLimit: cpuQuantity(quotaToMillis(cpuQuotaUs, cpuPeriodUs)) } : {}),
    ...(memoryBytes > 0 ? { memoryLimit: byteQuantity(memoryBytes) } : {}),
  };
  return { ...allocatedResources, resources: tidy(withActual(promised, actual, requests, limits)) };
}

function runtimeResources(resources: LinuxContainerResources | undefined): Actual {
  const { cpuPeriod = 0, cpuQuota = 0, cpuShares = 0, memoryLimitInBytes = 0 } = resources ?? {};
  return {
    ...(cpuPeriod > 0 && cpuQuota > 0 ? { cpuLimit: cpuQuantity(quotaToMillis(cpuQuota, cpuPeriod)) } : {}),
    ...(cpuShares > 0 ? { cpuRequest: cpuQuantity(sharesToMillis(cpuShares)) } : {}),
    ...(memoryLimitInBytes > 0 ? { memoryLimit: byteQuantity(memoryLimitInBytes) } : {}),
  };
}

const sharesToMillis = (shares: number): number => Math.ceil((shares * 1000) / 1024);
const quotaToMillis = (quotaUs: number, periodUs: number): number => Math.floor((quotaUs * 1000) / periodUs);
const byteQuantity = (bytes: number): string => formatQuantity(wholeQuantity(BigInt(Math.ceil(bytes)), 'BinarySI'));

/** @param aliases values to use when the pod itself has no allocation: the sums of its containers */
function withActual(
  promised: ResourceRequirements,
  { cpuRequest, cpuLimit, memoryRequest, memoryLimit }: Actual,
  requestSums: ResourceList = {},
  limitSums: ResourceList = {},
): ResourceRequirements {
  const { requests, limits } = promised;
  return {
    ...promised,
    ...(requests === undefined
      ? {}
      : {
          requests: {
            ...requests,
            ...told('cpu', requests['cpu'] ?? requestSums['cpu'], cpuRequest, leastSharesMillis),
            ...told('memory', requests['memory'], memoryRequest, 0),
          },
        }),
    ...(limits === undefined
      ? {}
      : {
          limits: {
            ...limits,
            ...told('cpu', limits['cpu'] ?? limitSums['cpu'], cpuLimit, leastQuotaMillis),
            ...told('memory', limits['memory'] ?? limitSums['memory'], memoryLimit, 0),
          },
        }),
  };
}

/** The actual amount. When it equals the allocation, or both are too small to differ, the allocation's own spelling is kept. */
function told(
  name: string,
  promised: Quantity | undefined,
  actual: Quantity | undefined,
  leastMillis: number,
): Record<string, Quantity> {
  if (actual === undefined) return {};
  const isLittle = leastMillis > 0 && millis(actual) <= leastMillis && millis(promised) <= leastMillis;
  if (isLittle) return promised === undefined ? {} : { [name]: promised };
  return { [name]: promised !== undefined && isSame(promised, actual, leastMillis > 0) ? promised : actual };
}

function isSame(a: Quantity, b: Quantity, isCpu: boolean): boolean {
  return isCpu ? millis(a) === millis(b) : compareQuantity(a, b) === 0;
}

const millis = (quantity: Quantity | undefined): number => (quantity === undefined ? 0 : Math.ceil(toMillis(quantity)));

/** Ignores malformed quantities, which pods from before validation may have. */
function readable(sum: () => ResourceList): ResourceList {
  try {
    return sum();
  } catch (error) {
    if (error instanceof QuantityError) return {};
    throw error;
  }
}

function tidy({ requests, limits, ...more }: ResourceRequirements): ResourceRequirements {
  return {
    ...more,
    ...(requests === undefined || Object.keys(requests).length === 0 ? {} : { requests }),
    ...(limits === undefined || Object.keys(limits).length === 0 ? {} : { limits }),
  };
}
