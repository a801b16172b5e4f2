/** Rejects nodes with taints NoSchedule or NoExecute that the pod does not tolerate. */
import { schedulingEffects, untoleratedTaint } from '#api/pod/tolerations.ts';
import { type FilterPlugin, rejectionOf } from '../framework.ts';

const name = 'TaintToleration';
const untolerated = rejectionOf(name, false, 'node(s) had untolerated taint(s)');

/** The filter TaintToleration. */
export const taintToleration: FilterPlugin = {
  name,
  seesNodeOnly: true,
  prepare: ({ spec }) => ({
    kind: 'check',
    check({ node }) {
      const { taints } = node.spec;
      if (taints === undefined || taints.length === 0) return undefined;
      return untoleratedTaint(taints, spec.tolerations, schedulingEffects) === undefined ? undefined : untolerated;
    },
  }),
};
