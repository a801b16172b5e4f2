/**
 * The message of an error, for messages, conditions and events. Give a log the error itself (`{ err: error }`), which keeps stack
 * and cause. JavaScript may throw any value; one that is no Error is converted to a string.
 */
export const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The thrown value itself where it is an Error, else an Error with its text: for interfaces that take Errors only. */
export const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
