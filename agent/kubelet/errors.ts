/** Texts of errors for events and statuses, where users of Kubernetes expect those of its Go programs. */
import { RuntimeError } from '#agent/runtime/runtime.ts';

/** An error of the container runtime as gRPC for Go prints it; any other error's own message. */
export function errorText(error: unknown): string {
  if (error instanceof RuntimeError) return `rpc error: code = ${error.code} desc = ${error.message}`;
  return messageText(error);
}

/** The message alone. */
export const messageText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
