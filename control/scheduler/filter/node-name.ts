/** Rejects all other nodes for a pod with `spec.nodeName`. */
import { type FilterPlugin, rejectionOf } from '../framework.ts';

const name = 'NodeName';

/** The filter NodeName. */
export const nodeName: FilterPlugin = {
  name,
  prepare({ spec }) {
    if (spec.nodeName === undefined || spec.nodeName === '') return { kind: 'skip' };
    return {
      kind: 'check',
      check: (info) =>
        info.name === spec.nodeName ? undefined : rejectionOf(name, false, "node(s) didn't match the requested node name"),
    };
  },
};
