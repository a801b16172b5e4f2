/**
 * `ContainerRuntime`: what the kubelet asks of containerd or Docker, in the terms of CRI v1 (RuntimeService and ImageService).
 *
 * Every implementation passes `runtime.contract.ts`. All of them promise:
 * - every failure is a {@link RuntimeError}, with a code that callers test instead of message text;
 * - a call ends within its deadline (2 minutes; `stopContainer` and `execSync` add their own timeout; a pull has none as long
 *   as it makes progress), with code `DeadlineExceeded`;
 * - stopping or removing what is absent, stopped or removed already succeeds;
 * - a runtime that does not answer is `Unavailable`, and the next call tries anew, so a restarted runtime needs no care.
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

/** gRPC's status names, which CRI defines its errors by. */
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

/** A call to the container runtime failed. `message` is the runtime's own text, fit for events and conditions. */
export class RuntimeError extends Error {
  readonly code: RuntimeErrorCode;
  /** The CRI call, as `RunPodSandbox`. */
  readonly call: string;
  constructor(code: RuntimeErrorCode, call: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RuntimeError';
    this.code = code;
    this.call = call;
  }
}

/** Whether `error` says that the sandbox, container or image is not there. */
export const isNotFound = (error: unknown): error is RuntimeError => error instanceof RuntimeError && error.code === 'NotFound';

/** Whether `error` says that the runtime itself does not answer. */
export const isUnavailable = (error: unknown): error is RuntimeError =>
  error instanceof RuntimeError && error.code === 'Unavailable';

/** RuntimeService and ImageService of CRI v1. Times, deadlines and errors: see the top of this file. */
export interface ContainerRuntime {
  version(): Promise<RuntimeVersion>;
  status(): Promise<RuntimeStatus>;
  /** The cgroup driver the runtime uses, `undefined` where it does not say (containerd before 2.0). */
  runtimeConfig(): Promise<{ cgroupDriver?: CgroupDriver | undefined }>;
  /** Tells a runtime that makes its own CNI config the node's pod range. Others ignore it. */
  updateRuntimeConfig(config: { podCidr: string }): Promise<void>;

  /** Starts the pod's sandbox with its network. Nothing is left behind on failure. @returns its ID */
  runPodSandbox(config: PodSandboxConfig, runtimeHandler?: string): Promise<string>;
  /** Kills the sandbox's containers, takes its network down and frees its addresses. Idempotent. */
  stopPodSandbox(podSandboxId: string): Promise<void>;
  /** Removes a sandbox with its containers; a running one is stopped first. Idempotent. */
  removePodSandbox(podSandboxId: string): Promise<void>;
  podSandboxStatus(podSandboxId: string): Promise<PodSandboxStatus>;
  listPodSandbox(filter?: PodSandboxFilter): Promise<readonly PodSandbox[]>;

  /** @returns the container's ID; its image must be present */
  createContainer(podSandboxId: string, config: ContainerConfig, sandboxConfig: PodSandboxConfig): Promise<string>;
  startContainer(containerId: string): Promise<void>;
  /** Sends the stop signal, and SIGKILL after `timeoutSeconds` (0: at once). Resolves when it has stopped. Idempotent. */
  stopContainer(containerId: string, timeoutSeconds: number): Promise<void>;
  /** Removes a container, killing it first where it runs. Idempotent. */
  removeContainer(containerId: string): Promise<void>;
  listContainers(filter?: ContainerFilter): Promise<readonly Container[]>;
  containerStatus(containerId: string): Promise<ContainerStatus>;
  updateContainerResources(containerId: string, resources: LinuxContainerResources): Promise<void>;
  /** Opens the log file anew after the kubelet has renamed it. The container must run. */
  reopenContainerLog(containerId: string): Promise<void>;

  /**
   * Runs a command in a container and waits for its end. A command that ends with another status than 0 is no error.
   * @param timeoutMs 0: none. @throws RuntimeError `DeadlineExceeded` when it runs out, `Cancelled` when `signal` aborts; the command is
   * killed.
   */
  execSync(containerId: string, cmd: readonly string[], timeoutMs: number, signal?: AbortSignal): Promise<ExecSyncResult>;
  /**
   * @returns the URL of a streaming server (`http://127.0.0.1:…`) that serves exactly this request, once, for about a minute.
   * The kubelet dials its host and port and relays the client's upgraded connection (SPDY/3.1 or WebSocket) byte by byte:
   * one path for every runtime. containerd has such a server; for Docker it is ours (`streaming/`).
   */
  exec(request: ExecRequest): Promise<string>;
  /** @returns a streaming URL as {@link exec} does */
  attach(request: AttachRequest): Promise<string>;
  /** @returns a streaming URL as {@link exec} does; the client names the ports in its streams */
  portForward(podSandboxId: string, ports?: readonly number[]): Promise<string>;

  /** @throws RuntimeError `NotFound` where the container is not there */
  containerStats(containerId: string): Promise<ContainerStats>;
  listContainerStats(filter?: ContainerStatsFilter): Promise<readonly ContainerStats[]>;
  /** @throws RuntimeError `Unimplemented` where the runtime cannot, as {@link listPodSandboxStats} */
  podSandboxStats(podSandboxId: string): Promise<PodSandboxStats>;
  listPodSandboxStats(filter?: PodSandboxStatsFilter): Promise<readonly PodSandboxStats[]>;

  /**
   * What happens to containers and sandboxes from now on: a hint to look again, never the whole truth (events are lost while
   * the runtime is down, and may come twice). Ends when `signal` aborts; throws {@link RuntimeError} when the stream breaks:
   * subscribe again, then relist.
   */
  containerEvents(signal: AbortSignal): AsyncIterable<ContainerEvent>;

  listImages(): Promise<readonly Image[]>;
  /** `undefined` where the image is not on this node. */
  imageStatus(image: ImageSpec): Promise<Image | undefined>;
  /** @returns the reference to create containers with. `signal` ends a pull that nobody waits for. */
  pullImage(image: ImageSpec, auth?: AuthConfig, sandboxConfig?: PodSandboxConfig, signal?: AbortSignal): Promise<string>;
  /** Idempotent. */
  removeImage(image: ImageSpec): Promise<void>;
  imageFsInfo(): Promise<ImageFsInfo>;

  /** Closes connections and servers, and settles when they are closed. Containers run on. */
  close(): Promise<void>;
}
