/** For tests only: counts turns of the event loop. */

/** How many turns the event loop had while the work was done: in each of them others could have been served. */
export async function turnsDuring<T>(work: () => Promise<T>): Promise<{ value: T; turns: number }> {
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  try {
    return { value: await work(), turns };
  } finally {
    isOver = true;
  }
}
