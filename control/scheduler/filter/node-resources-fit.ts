/** Rejects nodes that have too little free resources for the pod's requests, or already run their maximum number of pods. */
import { type Amounts, amountOf } from '#api/pod/requests.ts';
import { type FilterPlugin, type Rejection, rejectionOf } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { podResources } from '../resources.ts';

const name = 'NodeResourcesFit';
/** The order of these resources in messages. Extended resources follow. */
const common = ['cpu', 'memory', 'ephemeral-storage'];

/** The filter NodeResourcesFit. */
export const nodeResourcesFit: FilterPlugin = {
  name,
  prepare(pod) {
    const { requested } = podResources(pod);
    const extended = Object.keys(requested).filter((resource) => !common.includes(resource));
    return { kind: 'check', check: (info) => fit(requested, [...common, ...extended.sort()], info) };
  },
};

function fit(requested: Amounts, resources: readonly string[], info: NodeInfo): Rejection | undefined {
  const reasons = info.pods.length + 1 > amountOf(info.allocatable, 'pods') ? ['Too many pods'] : [];
  // When the pod requests more than the node has in total, preemption cannot help.
  let preemptible = true;
  for (const resource of resources) {
    const wanted = amountOf(requested, resource);
    const capacity = amountOf(info.allocatable, resource);
    if (wanted <= 0 || wanted <= capacity - amountOf(info.requested, resource)) continue;
    reasons.push(`Insufficient ${resource}`);
    if (wanted > capacity) preemptible = false;
  }
  return reasons.length === 0 ? undefined : rejectionOf(name, preemptible, ...reasons);
}
