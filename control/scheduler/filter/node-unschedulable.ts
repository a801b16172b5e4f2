/** Rejects cordoned nodes, unless the pod tolerates the taint `node.kubernetes.io/unschedulable`. */
import { unschedulableTaint } from '#api/node-taints.ts';
import { tolerationOf } from '#api/pod/tolerations.ts';
import { type FilterPlugin, rejectionOf, skip } from '../framework.ts';

const name = 'NodeUnschedulable';
const cordoned = rejectionOf(name, false, 'node(s) were unschedulable');

/** The filter NodeUnschedulable. */
export const nodeUnschedulable: FilterPlugin = {
  name,
  seesNodeOnly: true,
  prepare({ spec }) {
    const taint = { key: unschedulableTaint, effect: 'NoSchedule' };
    if (tolerationOf(spec.tolerations, taint) !== undefined) return skip;
    return { kind: 'check', check: ({ node }) => (node.spec.unschedulable === true ? cordoned : undefined) };
  },
};
