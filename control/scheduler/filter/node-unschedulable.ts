/** Keeps pods off cordoned nodes, unless they tolerate the taint that cordoning stands for. */
import { type FilterPlugin, rejectionOf } from '../framework.ts';
import { toleratesTaint } from '../tolerations.ts';

const name = 'NodeUnschedulable';

export const nodeUnschedulable: FilterPlugin = {
  name,
  prepare({ spec }) {
    const tolerated = toleratesTaint(spec.tolerations, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' });
    if (tolerated) return { kind: 'skip' };
    return {
      kind: 'check',
      check: ({ node }) =>
        node.spec.unschedulable === true ? rejectionOf(name, false, 'node(s) were unschedulable') : undefined,
    };
  },
};
