/** Columns of ReplicaSets. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { ReplicaSet } from '#api/types.generated.ts';
import { replicaColumns, selectorText } from '../../columns.ts';

/** The table of ReplicaSets: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const replicaSetColumns = replicaColumns<ReplicaSet>(({ spec }) => selectorText(spec.selector) || '<none>');
