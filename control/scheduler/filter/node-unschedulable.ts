/** Keeps pods off cordoned nodes, unless they tolerate the taint that cordoning stands for. */
import { tolerationOf } from '#api/pod/tolerations.ts';
import { type FilterPlugin, rejectionOf } from '../framework.ts';

const name = 'NodeUnschedulable';

export const nodeUnschedulable: FilterPlugin = {
  name,
  prepare({ spec }) {
    const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    if (tolerationOf(spec.tolerations, taint) !== undefined) return { kind: 'skip' };
    return {
      kind: 'check',
      check: ({ node }) =>
        node.spec.unschedulable === true ? rejectionOf(name, false, 'node(s) were unschedulable') : undefined,
    };
  },
};
