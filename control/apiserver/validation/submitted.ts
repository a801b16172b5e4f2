/**
 * A part of an object as a client may send it: what its type promises may be absent, for the check is only now being made.
 */
export type Submitted<T> = { [Key in keyof T]?: T[Key] | undefined };

/** The same value, seen as what it is before it has been checked. */
export const submitted = <T>(part: T): Submitted<T> => part;
