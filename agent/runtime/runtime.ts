/**
 * The interface `ContainerRuntime`: the calls of the kubelet to containerd or Docker, in the terms of CRI v1 (RuntimeService and
 * ImageService).
 *
 * Every implementation passes `runtime.contract.ts` and guarantees:
 * - Every failure is a {@link RuntimeError}. Callers test its code, not its message.
 * - A call ends within its deadline with code `DeadlineExceeded`. The deadline is 2 minutes; `stopContainer` and `execSync` add
 *   their own timeout; a pull has none as long as it makes progress.
 * - Stopping or removing an object that is absent, or already stopped or removed, succeeds.
 * - A runtime that does not answer gives `Unavailable`. The next call connects again, so callers need not handle a restart of the
 *   runtime.
 */
import type {
  AttachRequest,
  AuthConfig,
  CgroupDriver,
  Container,
  ContainerConfig,
  ContainerEvent,
  ContainerFilter,
  ContainerStats,
  ContainerStatsFilter,
  ContainerStatus,
  ExecRequest,
  ExecSyncResult,
  Image,
  ImageFsInfo,
  ImageSpec,
  LinuxContainerResources,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxStats,
  PodSandboxStatsFilter,
  PodSandboxStatus,
  RuntimeStatus,
  RuntimeVersion,
} from './types.ts';

export type * from './types.ts';

/** The names of gRPC's status codes. CRI defines its errors by them. */
export type RuntimeErrorCode =
  | 'Cancelled'
  | 'Unknown'
  | 'InvalidArgument'
  | 'DeadlineExceeded'
  | 'NotFound'
  | 'AlreadyExists'
  | 'PermissionDenied'
  | 'ResourceExhausted'
  | 'FailedPrecondition'
  | 'Aborted'
  | 'OutOfRange'
  | 'Unimplemented'
  | 'Internal'
  | 'Unavailable'
  | 'DataLoss'
  | 'Unauthenticated';

/** A call to the container runtime failed. `message` is the runtime's own text and may be shown in events and conditions. */
export class RuntimeError extends Error {
  readonly code: RuntimeErrorCode;
  /** The name of the CRI call, for example `RunPodSandbox`. */
  readonly call: string;
  constructor(code: RuntimeErrorCode, call: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RuntimeError';
    this.code = code;
    this.call = call;
  }
}

/** Whether the error means that the sandbox, container or image does not exist. */
export const isNotFound = (error: unknown): error is RuntimeError => error instanceof RuntimeError && error.code === 'NotFound';

/** Whether the error means that the runtime does not answer. */
export const isUnavailable = (error: unknown): error is RuntimeError =>
  error instanceof RuntimeError && error.code === 'Unavailable';

/** RuntimeService and ImageService of CRI v1. See the top of this file for times, deadlines and errors. */
export interface ContainerRuntime {
  /** Name and versions of the runtime. */
  version(): Promise<RuntimeVersion>;
  /** The conditions and features of the runtime. */
  status(): Promise<RuntimeStatus>;
  /** The cgroup driver of the runtime; `undefined` when the runtime does not report it (containerd before 2.0). */
  runtimeConfig(): Promise<{ cgroupDriver?: CgroupDriver | undefined }>;
  /** Gives the node's pod range to a runtime that makes its own CNI configuration. Other runtimes ignore it. */
  updateRuntimeConfig(config: { podCidr: string }): Promise<void>;

  /** Starts the pod's sandbox with its network. After a failure nothing is left behind. @returns the sandbox's ID */
  runPodSandbox(config: PodSandboxConfig, runtimeHandler?: string): Promise<string>;
  /** Kills the sandbox's containers, takes its network down and frees its addresses. Idempotent. */
  stopPodSandbox(podSandboxId: string): Promise<void>;
  /** Removes a sandbox and its containers. A running sandbox is stopped first. Idempotent. */
  removePodSandbox(podSandboxId: string): Promise<void>;
  /** The status of one sandbox. @throws RuntimeError `NotFound` when it does not exist */
  podSandboxStatus(podSandboxId: string): Promise<PodSandboxStatus>;
  /** The sandboxes that the filter selects; without a filter all of them. */
  listPodSandbox(filter?: PodSandboxFilter): Promise<readonly PodSandbox[]>;

  /** Creates a container. Its image must be on the node. @returns the container's ID */
  createContainer(podSandboxId: string, config: ContainerConfig, sandboxConfig: PodSandboxConfig): Promise<string>;
  /** Starts a created container. @throws RuntimeError when the command cannot be started */
  startContainer(containerId: string): Promise<void>;
  /**
   * Sends the stop signal, and SIGKILL after `timeoutSeconds` (0: at once). Resolves when the container has stopped. Idempotent.
   */
  stopContainer(containerId: string, timeoutSeconds: number): Promise<void>;
  /** Removes a container. A running container is killed first. Idempotent. */
  removeContainer(containerId: string): Promise<void>;
  /** The containers that the filter selects; without a filter all of them. */
  listContainers(filter?: ContainerFilter): Promise<readonly Container[]>;
  /** The status of one container. @throws RuntimeError `NotFound` when it does not exist */
  containerStatus(containerId: string): Promise<ContainerStatus>;
  /** Changes the limits of a container. Absent fields keep their value. */
  updateContainerResources(containerId: string, resources: LinuxContainerResources): Promise<void>;
  /** Opens the log file again after the kubelet has renamed it. The container must be running. */
  reopenContainerLog(containerId: string): Promise<void>;

  /**
   * Runs a command in a container and waits for its end. An exit status other than 0 is no error.
   * @param timeoutMs time that the command has; 0: no limit
   * @throws RuntimeError `DeadlineExceeded` after that time, `Cancelled` when `signal` aborts; the command is killed
   */
  execSync(containerId: string, cmd: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<ExecSyncResult>;
  /**
   * Prepares a command with streams. The kubelet connects to the returned URL and relays the client's upgraded connection
   * (SPDY/3.1 or WebSocket) byte by byte, for every runtime in the same way. containerd has such a streaming server; for Docker
   * it is ours (`streaming/`).
   * @returns the URL of a streaming server (`http://127.0.0.1:…`) that serves this request once, within about a minute
   */
  exec(request: ExecRequest): Promise<string>;
  /** Prepares attaching to the container's first process. @returns a streaming URL as {@link exec} does */
  attach(request: AttachRequest): Promise<string>;
  /** Prepares port forwarding. The client names the ports in its streams. @returns a streaming URL as {@link exec} does */
  portForward(podSandboxId: string, ports?: readonly number[]): Promise<string>;

  /** The statistics of one container. @throws RuntimeError `NotFound` when it does not exist */
  containerStats(containerId: string): Promise<ContainerStats>;
  /** The statistics of the containers that the filter selects. */
  listContainerStats(filter?: ContainerStatsFilter): Promise<readonly ContainerStats[]>;
  /**
   * The statistics of one sandbox. @throws RuntimeError `Unimplemented` when the runtime does not have this call, like {@link
   * listPodSandboxStats}
   */
  podSandboxStats(podSandboxId: string): Promise<PodSandboxStats>;
  /**
   * The statistics of the sandboxes that the filter selects. @throws RuntimeError `Unimplemented` when the runtime does not have
   * this call
   */
  listPodSandboxStats(filter?: PodSandboxStatsFilter): Promise<readonly PodSandboxStats[]>;

  /**
   * The events of containers and sandboxes from now on. An event is only a hint to read the status again: events are lost while
   * the runtime is down, and may come twice. The stream ends when `signal` aborts. When it breaks, it throws {@link
   * RuntimeError}: subscribe again, then relist.
   */
  containerEvents(signal: AbortSignal): AsyncIterable<ContainerEvent>;

  /** All images on this node. */
  listImages(): Promise<readonly Image[]>;
  /** The image; `undefined` when it is not on this node. */
  imageStatus(image: ImageSpec): Promise<Image | undefined>;
  /** Pulls an image. `signal` aborts the pull. @returns the image reference for `createContainer` */
  pullImage(image: ImageSpec, auth?: AuthConfig, sandboxConfig?: PodSandboxConfig, signal?: AbortSignal): Promise<string>;
  /** Removes an image from this node with all its names. Idempotent. */
  removeImage(image: ImageSpec): Promise<void>;
  /** The usage of the filesystems of images and writable layers. */
  imageFsInfo(): Promise<ImageFsInfo>;

  /** Closes connections and servers, and resolves when they are closed. Containers go on running. */
  close(): Promise<void>;
}
