/**
 * The limit of values in one body. In memory a value takes far more bytes than in the text, so a limit of bytes is not enough.
 */

/** Limit of objects, lists and scalars in one body. The largest objects that upstream's store accepts have far fewer. */
export const maxValues = 100_000;

/**
 * Each member of a map counts as so many values: its key is a string that nothing else shares, and looking for it in so large a map goes
 * far in memory. (25,000 keys in one ConfigMap: upstream has no such limit, but its store takes 1.5 MiB at most.)
 */
export const memberValues = 4;
/** Limit of a managedFields entry, which may have somewhat more members than the object itself. */
export const recordMemberValues = 2;
/** An object of unknown type is a map when it has more members than this. */
export const fewMembers = 64;

/** The body has more values than {@link maxValues}. The client gets 413 RequestEntityTooLarge. */
export class OversizeError extends Error {
  override name = 'OversizeError';
  constructor() {
    super(`limit is ${maxValues} values, and each key of a map counts as ${memberValues}`);
  }
}
