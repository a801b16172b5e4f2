/** The resource requests of pods, as the scheduler counts them. */
import { type Amounts, podRequests } from '#api/pod/requests.ts';
import type { Pod } from '#api/types.generated.ts';

/** The resources of one pod. Shared by pods whose amounts are the same. */
export interface PodResources {
  /** What the kubelet reserves for the pod on its node. */
  readonly requested: Amounts;
  /** The same, but containers without requests count with a small cpu and memory request, so that scores see them. */
  readonly nonZero: Amounts;
}

/** The requests that containers without requests have for scores (upstream's DefaultMilliCPURequest, DefaultMemoryRequest). */
const scoringDefaults: Amounts = { cpu: 100, memory: 200 * 1024 * 1024 };

/** Per object, because cached pods are never changed in place: quantities are parsed once for each version of a pod. */
const cached = new WeakMap<Pod, PodResources>();
/** Pods of one template have the same amounts: one object for all of them. */
const shared = new Map<string, PodResources>();
const maxShared = 10_000;

/** The resources of a pod. */
export function podResources(pod: Pod): PodResources {
  let known = cached.get(pod);
  if (known === undefined) {
    known = share({
      requested: podRequests(pod, { useStatus: true }),
      nonZero: podRequests(pod, { useStatus: true, containerDefaults: scoringDefaults }),
    });
    cached.set(pod, known);
  }
  return known;
}

function share(resources: PodResources): PodResources {
  const key = JSON.stringify(resources);
  const known = shared.get(key);
  if (known !== undefined) return known;
  if (shared.size >= maxShared) shared.clear();
  shared.set(key, resources);
  return resources;
}
