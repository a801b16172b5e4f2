/** An object, or a part of one, before validation: every field may be absent, even those that its type requires. */
export type Submitted<T> = { [Key in keyof T]?: T[Key] | undefined };

/** The same value, seen as what it is before it has been checked. */
export const submitted = <T>(part: T): Submitted<T> => part;
