/** What a body may become in memory, whatever its bytes are: values cost far more there than in the text. */

/** Objects, lists and scalars of one body. The largest objects that upstream's store takes have far fewer. */
export const maxValues = 100_000;

/** The body holds more values than {@link maxValues}. To a client it is a RequestEntityTooLarge. */
export class OversizeError extends Error {
  override name = 'OversizeError';
  constructor() {
    super(`limit is ${maxValues} values`);
  }
}
