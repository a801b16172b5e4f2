/** Commands in containers and their streams: the messages of ExecSync, Exec and Attach. Source: kubernetes cri-api, pkg/apis/runtime/v1. */

/** The result of a command. */
export interface ExecSyncResult {
  stdout: Buffer;
  stderr: Buffer;
  exitCode: number;
}

/** A command to run with streams. */
export interface ExecRequest {
  containerId: string;
  cmd: readonly string[];
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/** The streams of a container's first process to attach to. */
export interface AttachRequest {
  containerId: string;
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}
