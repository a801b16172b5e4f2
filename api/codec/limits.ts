/**
 * The limit of values in one body. In memory a value takes far more bytes than in the text, so a limit of bytes is not enough.
 */

/** Limit of objects, lists and scalars in one body. The largest objects that upstream's store accepts have far fewer. */
export const maxValues = 100_000;

/** The body has more values than {@link maxValues}. The client gets 413 RequestEntityTooLarge. */
export class OversizeError extends Error {
  override name = 'OversizeError';
  constructor() {
    super(`limit is ${maxValues} values`);
  }
}
