/** What takes back steps already done: run in reverse when a later step, or the write after them, fails. */
export type Undo = (() => Promise<void>)[];

/** Runs all of it, the last step first; a step that fails does not keep the others from running. @throws AggregateError of those failures */
export async function runUndo(undo: Undo): Promise<void> {
  const errors: unknown[] = [];
  for (const step of undo.splice(0).reverse()) await step().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} steps could not be taken back`);
}
