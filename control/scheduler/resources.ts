/** The resource requests of pods, as the scheduler counts them. */
import { type Amounts, podRequests } from '#api/pod/requests.ts';
import type { Pod } from '#api/types.generated.ts';

/** The resources of one pod. */
export interface PodResources {
  /** What the kubelet reserves for the pod on its node. */
  requested: Amounts;
  /** The same, but containers without requests count with a small cpu and memory request, so that scores see them. */
  nonZero: Amounts;
}

/** The requests that containers without requests have for scores (upstream's DefaultMilliCPURequest, DefaultMemoryRequest). */
const scoringDefaults: Amounts = { cpu: 100, memory: 200 * 1024 * 1024 };

const cached = new WeakMap<Pod, PodResources>();

/** The resources of a pod. Cached per object, because cached pods are never changed in place. */
export function podResources(pod: Pod): PodResources {
  let known = cached.get(pod);
  if (known === undefined) {
    known = {
      requested: podRequests(pod, { useStatus: true }),
      nonZero: podRequests(pod, { useStatus: true, containerDefaults: scoringDefaults }),
    };
    cached.set(pod, known);
  }
  return known;
}
