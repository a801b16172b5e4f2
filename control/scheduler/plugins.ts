/** The default plugins, in the order in which upstream runs them. */
import { dynamicResourcesFilter } from './filter/dynamic-resources.ts';
import { interPodAffinity } from './filter/inter-pod-affinity.ts';
import { nodeAffinity } from './filter/node-affinity.ts';
import { nodeName } from './filter/node-name.ts';
import { nodePorts } from './filter/node-ports.ts';
import { nodeResourcesFit } from './filter/node-resources-fit.ts';
import { nodeUnschedulable } from './filter/node-unschedulable.ts';
import { nodeVolumeLimits } from './filter/node-volume-limits.ts';
import { podTopologySpread } from './filter/pod-topology-spread.ts';
import { taintToleration } from './filter/taint-toleration.ts';
import { volumeBinding } from './filter/volume-binding.ts';
import { volumeRestrictions } from './filter/volume-restrictions.ts';
import { volumeZone } from './filter/volume-zone.ts';
import type { FilterPlugin, ScorePlugin } from './framework.ts';
import { balancedAllocation } from './score/balanced-allocation.ts';
import { dynamicResourcesScore } from './score/dynamic-resources.ts';
import { imageLocality } from './score/image-locality.ts';
import { interPodAffinityScore } from './score/inter-pod-affinity.ts';
import { nodeAffinityScore } from './score/node-affinity.ts';
import { leastAllocated } from './score/node-resources-fit.ts';
import { podTopologySpreadScore } from './score/pod-topology-spread.ts';
import { taintTolerationScore } from './score/taint-toleration.ts';

/** The filters. The first one that rejects a node gives the reason, so their order is visible in messages. */
export const filterPlugins: readonly FilterPlugin[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  volumeRestrictions,
  nodeVolumeLimits,
  volumeBinding,
  volumeZone,
  podTopologySpread,
  interPodAffinity,
  dynamicResourcesFilter(600_000),
];

/** The score plugins. */
export const scorePlugins: readonly ScorePlugin[] = [
  taintTolerationScore,
  nodeAffinityScore,
  leastAllocated,
  podTopologySpreadScore,
  interPodAffinityScore,
  dynamicResourcesScore(2),
  balancedAllocation,
  imageLocality,
];
