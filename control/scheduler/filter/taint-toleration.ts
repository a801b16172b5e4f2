/** Keeps pods off nodes with taints NoSchedule and NoExecute that they do not tolerate. */
import { type FilterPlugin, rejectionOf } from '../framework.ts';
import { untoleratedTaint } from '../tolerations.ts';

const name = 'TaintToleration';

export const taintToleration: FilterPlugin = {
  name,
  prepare: ({ spec }) => ({
    kind: 'check',
    check: ({ node }) =>
      untoleratedTaint(node.spec.taints, spec.tolerations) === undefined
        ? undefined
        : rejectionOf(name, false, 'node(s) had untolerated taint(s)'),
  }),
};
