/** Rejects nodes that have too little free resources for the pod's requests, or already run their maximum number of pods. */
import { type Amounts, amountOf } from '#api/pod/requests.ts';
import { type FilterPlugin, type Rejection, rejectionOf } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { podResources } from '../resources.ts';

const name = 'NodeResourcesFit';
/** These come first in messages, in this order. Extended resources follow. */
const common = ['cpu', 'memory', 'ephemeral-storage'];

/** Extended resources that the filter does not look at. */
export interface IgnoredResources {
  ignoredResources?: readonly string[] | undefined;
  /** The part of the name before the slash. */
  ignoredResourceGroups?: readonly string[] | undefined;
}

/** Makes the filter NodeResourcesFit. */
export function nodeResourcesFitFilter({
  ignoredResources = [],
  ignoredResourceGroups = [],
}: IgnoredResources = {}): FilterPlugin {
  const ignoredNames = new Set(ignoredResources);
  const ignoredGroups = new Set(ignoredResourceGroups);
  const isIgnored = (resource: string): boolean =>
    isExtended(resource) && (ignoredNames.has(resource) || ignoredGroups.has(resource.slice(0, resource.indexOf('/'))));
  return {
    name,
    seesNodeOnly: true,
    prepare(pod) {
      const { requested } = podResources(pod);
      const [cpu, memory] = [amountOf(requested, 'cpu'), amountOf(requested, 'memory')];
      const others = Object.keys(requested).filter(
        (resource) => resource !== 'cpu' && resource !== 'memory' && amountOf(requested, resource) > 0 && !isIgnored(resource),
      );
      const resources = [...common, ...others.filter((resource) => !common.includes(resource)).sort()];
      return {
        kind: 'check',
        check(info) {
          const fits =
            info.pods.length < info.allowedPods &&
            (cpu <= 0 || cpu <= info.cpu - info.usedCpu) &&
            (memory <= 0 || memory <= info.memory - info.usedMemory);
          if (fits && others.length === 0) return undefined;
          return insufficient(requested, resources, info);
        },
      };
    },
  };
}

/** The filter with upstream's defaults. */
export const nodeResourcesFit: FilterPlugin = nodeResourcesFitFilter();

/** Whether the resource is not one of Kubernetes' own. Source: core/v1/helper IsExtendedResourceName. */
const isExtended = (resource: string): boolean =>
  resource.includes('/') &&
  !resource.slice(0, resource.indexOf('/')).endsWith('kubernetes.io') &&
  !resource.startsWith('requests.');

function insufficient(requested: Amounts, resources: readonly string[], info: NodeInfo): Rejection | undefined {
  const reasons = info.pods.length + 1 > info.allowedPods ? ['Too many pods'] : [];
  // When the pod requests more than the node has in total, preemption cannot help.
  let preemptible = true;
  for (const resource of resources) {
    const wanted = amountOf(requested, resource);
    const capacity = amountOf(info.allocatable, resource);
    if (wanted <= 0 || wanted <= capacity - amountOf(info.requested, resource)) continue;
    reasons.push(`Insufficient ${resource}`);
    if (wanted > capacity) preemptible = false;
  }
  return reasons.length === 0 ? undefined : sharedRejection(preemptible, reasons);
}

/** Thousands of nodes are rejected for the same reasons. */
const made = new Map<string, Rejection>();
const maxMade = 1000;

function sharedRejection(preemptible: boolean, reasons: readonly string[]): Rejection {
  const key = `${preemptible}${reasons.join('\n')}`;
  if (made.size > maxMade) made.clear();
  return made.getOrInsertComputed(key, () => rejectionOf(name, preemptible, ...reasons));
}
