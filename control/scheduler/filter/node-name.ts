/** Rejects all other nodes for a pod with `spec.nodeName`. */
import { type FilterPlugin, rejectionOf, skip } from '../framework.ts';

const name = 'NodeName';
const other = rejectionOf(name, false, "node(s) didn't match the requested node name");

/** The filter NodeName. */
export const nodeName: FilterPlugin = {
  name,
  seesNodeOnly: true,
  prepare({ spec }) {
    if (spec.nodeName === undefined || spec.nodeName === '') return skip;
    return { kind: 'check', check: (info) => (info.name === spec.nodeName ? undefined : other) };
  },
};
