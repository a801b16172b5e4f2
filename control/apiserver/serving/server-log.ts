/** What the API server logs through: pino's shape, so that tests can pass a silent one. */
export interface ServerLog {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

/** Writes nothing, for tests and tools. */
export const silentLog: ServerLog = { debug() {}, info() {}, warn() {}, error() {} };
