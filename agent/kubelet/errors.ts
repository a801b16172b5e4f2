/** Texts of errors for events and statuses. Users of Kubernetes, and their tools, expect the words of its Go programs. */
import { RuntimeError } from '#agent/runtime/runtime.ts';

/** An error of the container runtime as gRPC for Go prints it; any other error's own message. */
export function grpcErrorText(error: unknown): string {
  if (error instanceof RuntimeError) return `rpc error: code = ${error.code} desc = ${error.message}`;
  return messageText(error);
}

/** The message alone; of a system call that failed, as Go prints it: `mkdir /a/b: no space left on device`. */
export function messageText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, syscall, path, message } = error as NodeJS.ErrnoException;
  const what = /^[A-Z0-9]+: ([^,]+), /.exec(message)?.[1];
  if (code === undefined || syscall === undefined || what === undefined) return message;
  return path === undefined ? `${syscall}: ${what}` : `${syscall} ${path}: ${what}`;
}
