/** Checks nodeSelector and required node affinity. */
import { namedNodes, nodeSelector, requiredNodeAffinity } from '#api/pod/node-selector.ts';
import type { NodeSelector } from '#api/types.generated.ts';
import { type FilterPlugin, rejectionOf, skip } from '../framework.ts';

const name = 'NodeAffinity';
const noMatch = rejectionOf(name, false, "node(s) didn't match Pod's node affinity/selector");
const notAllowed = rejectionOf(name, false, "node(s) didn't match scheduler-enforced node affinity");
const conflict = rejectionOf(name, false, 'pod affinity terms conflict');

/** Makes the filter NodeAffinity. @param added affinity that every pod of the profile has as well */
export function nodeAffinityFilter(added?: NodeSelector): FilterPlugin {
  const isAllowed = added === undefined ? undefined : nodeSelector(added);
  return {
    name,
    seesNodeOnly: true,
    prepare(pod) {
      const { nodeSelector: labels, affinity } = pod.spec;
      const isSelective =
        labels !== undefined || affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution !== undefined;
      if (!isSelective && isAllowed === undefined) return skip;
      const named = namedNodes(pod);
      if (named?.size === 0) return { kind: 'refuse', rejection: conflict };
      const matches = requiredNodeAffinity(pod);
      return {
        kind: 'check',
        check(info) {
          if (isAllowed !== undefined && !isAllowed(info)) return notAllowed;
          return matches(info) ? undefined : noMatch;
        },
        ...(named === undefined ? {} : { onlyNodes: named }),
      };
    },
  };
}

/** The filter with upstream's defaults. */
export const nodeAffinity: FilterPlugin = nodeAffinityFilter();
