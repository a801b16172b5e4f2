/** Checks nodeSelector and required node affinity. */
import { namedNodes, requiredNodeAffinity } from '#api/pod/node-selector.ts';
import { type FilterPlugin, rejectionOf } from '../framework.ts';

const name = 'NodeAffinity';

/** The filter NodeAffinity. */
export const nodeAffinity: FilterPlugin = {
  name,
  prepare(pod) {
    const { nodeSelector, affinity } = pod.spec;
    if (nodeSelector === undefined && affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution === undefined)
      return { kind: 'skip' };
    const named = namedNodes(pod);
    if (named?.size === 0) return { kind: 'refuse', rejection: rejectionOf(name, false, 'pod affinity terms conflict') };
    const matches = requiredNodeAffinity(pod);
    return {
      kind: 'check',
      check: (info) =>
        matches(info) ? undefined : rejectionOf(name, false, "node(s) didn't match Pod's node affinity/selector"),
      ...(named === undefined ? {} : { onlyNodes: named }),
    };
  },
};
