/** The order in which FlowSchemas are matched with a request. Source: apiserver `pkg/apis/flowcontrol` (FlowSchemaSequence). */
import type { FlowSchema } from '#api/types.generated.ts';

/** Compares FlowSchemas by matchingPrecedence, then by name. */
export function byPrecedence(a: FlowSchema, b: FlowSchema): number {
  const difference = (a.spec.matchingPrecedence ?? 0) - (b.spec.matchingPrecedence ?? 0);
  if (difference !== 0) return difference;
  return a.metadata.name < b.metadata.name ? -1 : a.metadata.name > b.metadata.name ? 1 : 0;
}
