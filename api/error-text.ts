/**
 * What an error says, for messages, conditions and events. A log gets the error itself (`{ err: error }`), which keeps stack and cause.
 * JavaScript may throw anything; what is no Error is written as it is.
 */
export const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
