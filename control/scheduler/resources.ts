/** What pods ask for, as the scheduler counts it. */
import { type Amounts, podRequests } from '#api/pod/requests.ts';
import type { Pod } from '#api/types.generated.ts';

export interface PodResources {
  /** What the pod occupies on its node: what the kubelet will reserve for it. */
  requested: Amounts;
  /** The same with a small cpu and memory demand for containers that name none, so that scores see them. */
  nonZero: Amounts;
}

/** Counted for scoring only (upstream's DefaultMilliCPURequest, DefaultMemoryRequest). */
const scoringDefaults: Amounts = { cpu: 100, memory: 200 * 1024 * 1024 };

const cached = new WeakMap<Pod, PodResources>();

/** Cached by object: pods are never changed in place. */
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
