/** Whether a status of counts has to be written. Pure. */
import { sameJson } from '#api/meta.ts';

/** A status without the counts of zero, which the server leaves out. An absent `terminatingReplicas` says something else: nobody counts them. */
export const withoutZeroCounts = (status: object = {}): object =>
  Object.fromEntries(Object.entries(status).filter(([name, value]) => value !== 0 || name === 'terminatingReplicas'));

/** Whether both statuses say the same. */
export const sameCounts = (a: object | undefined, b: object | undefined): boolean =>
  sameJson(withoutZeroCounts(a), withoutZeroCounts(b));
