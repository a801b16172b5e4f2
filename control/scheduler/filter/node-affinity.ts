/** Checks nodeSelector and required node affinity. */
import { namedNodes, requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { type FilterPlugin, rejectionOf, skip } from '../framework.ts';

const name = 'NodeAffinity';
const noMatch = rejectionOf(name, false, "node(s) didn't match Pod's node affinity/selector");
const conflict = rejectionOf(name, false, 'pod affinity terms conflict');

/** The filter NodeAffinity. */
export const nodeAffinity: FilterPlugin = {
  name,
  prepare(pod) {
    const { nodeSelector, affinity } = pod.spec;
    if (nodeSelector === undefined && affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution === undefined)
      return skip;
    const named = namedNodes(pod);
    if (named?.size === 0) return { kind: 'refuse', rejection: conflict };
    const matches = requiredNodeAffinity(pod);
    return {
      kind: 'check',
      check: (info) => (matches(info) ? undefined : noMatch),
      ...(named === undefined ? {} : { onlyNodes: named }),
    };
  },
};
