/** Compares statuses that contain counts. Pure. */
import { sameJson } from '#api/meta.ts';

/** A status without zero counts, which the server leaves out. `terminatingReplicas` is kept, because an absent one means "not counted". */
export const withoutZeroCounts = (status: object = {}): object =>
  Object.fromEntries(Object.entries(status).filter(([name, value]) => value !== 0 || name === 'terminatingReplicas'));

/** Whether both statuses are equal. */
export const sameCounts = (a: object | undefined, b: object | undefined): boolean =>
  sameJson(withoutZeroCounts(a), withoutZeroCounts(b));
