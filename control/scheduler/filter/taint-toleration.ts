/** Rejects nodes with taints NoSchedule or NoExecute that the pod does not tolerate. */
import { schedulingEffects, untoleratedTaint } from '#api/pod/tolerations.ts';
import { type FilterPlugin, rejectionOf } from '../framework.ts';

const name = 'TaintToleration';

/** The filter TaintToleration. */
export const taintToleration: FilterPlugin = {
  name,
  prepare: ({ spec }) => ({
    kind: 'check',
    check: ({ node }) =>
      untoleratedTaint(node.spec.taints, spec.tolerations, schedulingEffects) === undefined
        ? undefined
        : rejectionOf(name, false, 'node(s) had untolerated taint(s)'),
  }),
};
