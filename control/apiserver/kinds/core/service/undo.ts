/** What takes back steps already done: run in reverse when a later step, or the write after them, fails. */
export type Undo = (() => void)[];

export function runUndo(undo: Undo): void {
  for (const step of undo.splice(0).reverse()) step();
}
