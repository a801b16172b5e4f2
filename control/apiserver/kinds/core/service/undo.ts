/** Functions that undo the steps done so far. They run in reverse order when a later step or the write fails. */
export type Undo = (() => Promise<void>)[];

/** Runs all functions, the last one first. When one fails, the others still run. @throws AggregateError of those failures */
export async function runUndo(undo: Undo): Promise<void> {
  const errors: unknown[] = [];
  for (const step of undo.splice(0).reverse()) await step().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} steps could not be taken back`);
}
