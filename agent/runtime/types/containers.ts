/** Containers: the messages of CreateContainer, ContainerStatus and ListContainers. Source: kubernetes cri-api, pkg/apis/runtime/v1. */
import type {
  Capability,
  Labels,
  LinuxContainerResources,
  NamespaceOption,
  SecurityProfile,
  SeLinuxOption,
  SupplementalGroupsPolicy,
} from './shared.ts';

/** Identifies a container in its sandbox. */
export interface ContainerMetadata {
  name: string;
  /** Counts the restarts of the container, from 0. */
  attempt: number;
}

/** Names an image. */
export interface ImageSpec {
  image: string;
  annotations?: Labels | undefined;
  userSpecifiedImage?: string | undefined;
  runtimeHandler?: string | undefined;
}

/** Whether mounts are propagated between host and container. */
export type MountPropagation = 'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL';

/** A mount of a container. */
export interface Mount {
  containerPath: string;
  /** Empty for an image mount. */
  hostPath: string;
  /** The image to mount, by its ID. A runtime without image mounts ignores the field, and fails because there is no host path. */
  image?: ImageSpec | undefined;
  /** Path inside the image. Empty for the whole image. */
  imageSubPath?: string | undefined;
  readonly?: boolean | undefined;
  selinuxRelabel?: boolean | undefined;
  propagation?: MountPropagation | undefined;
  recursiveReadOnly?: boolean | undefined;
}

/** A device of the host. */
export interface Device {
  containerPath: string;
  hostPath: string;
  /** Allowed accesses: some of the letters `rwm`. */
  permissions: string;
}

/** Security settings of a container. */
export interface LinuxContainerSecurityContext {
  capabilities?: Capability | undefined;
  privileged?: boolean | undefined;
  namespaceOptions?: NamespaceOption | undefined;
  selinuxOptions?: SeLinuxOption | undefined;
  runAsUser?: number | undefined;
  runAsGroup?: number | undefined;
  /** User name. Used only when `runAsUser` is absent. */
  runAsUsername?: string | undefined;
  readonlyRootfs?: boolean | undefined;
  supplementalGroups?: readonly number[] | undefined;
  supplementalGroupsPolicy?: SupplementalGroupsPolicy | undefined;
  noNewPrivs?: boolean | undefined;
  maskedPaths?: readonly string[] | undefined;
  readonlyPaths?: readonly string[] | undefined;
  seccomp?: SecurityProfile | undefined;
  apparmor?: SecurityProfile | undefined;
}

/** The configuration of a container. */
export interface ContainerConfig {
  metadata: ContainerMetadata;
  image: ImageSpec;
  /** Replaces the image's entrypoint. */
  command?: readonly string[] | undefined;
  /** Replaces the image's command. */
  args?: readonly string[] | undefined;
  workingDir?: string | undefined;
  envs?: readonly { key: string; value: string }[] | undefined;
  mounts?: readonly Mount[] | undefined;
  devices?: readonly Device[] | undefined;
  labels?: Labels | undefined;
  annotations?: Labels | undefined;
  /** Path of the log, relative to the sandbox's `logDirectory`. Empty: no log. */
  logPath?: string | undefined;
  stdin?: boolean | undefined;
  stdinOnce?: boolean | undefined;
  tty?: boolean | undefined;
  /** Name of the stop signal, for example `SIGTERM`. Absent: that of the image, or SIGTERM. */
  stopSignal?: string | undefined;
  linux?:
    | {
        resources?: LinuxContainerResources | undefined;
        securityContext?: LinuxContainerSecurityContext | undefined;
      }
    | undefined;
}

/** The state of a container. */
export type ContainerState = 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';

/** A container in the result of a list call. */
export interface Container {
  id: string;
  podSandboxId: string;
  metadata: ContainerMetadata;
  image: ImageSpec;
  /** Reference of the image in use: its digest, or its ID when it has none. */
  imageRef: string;
  /** ID of the image on this node. Empty when the runtime does not have this field. */
  imageId: string;
  state: ContainerState;
  createdAtMs: number;
  labels: Labels;
  annotations: Labels;
}

/** A container in the result of a status call. */
export interface ContainerStatus {
  id: string;
  metadata: ContainerMetadata;
  state: ContainerState;
  createdAtMs: number;
  /** 0: not started yet. */
  startedAtMs: number;
  /** 0: not finished yet. */
  finishedAtMs: number;
  exitCode: number;
  image: ImageSpec;
  imageRef: string;
  imageId: string;
  /** `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`, `StartError`, … or empty. */
  reason: string;
  message: string;
  labels: Labels;
  annotations: Labels;
  mounts: readonly Mount[];
  /** Absolute path of the log. */
  logPath: string;
  resources?: LinuxContainerResources | undefined;
  user?: { uid: number; gid: number; supplementalGroups: readonly number[] } | undefined;
  /** Name of the stop signal, for example `SIGTERM`. Empty when the runtime does not report it. */
  stopSignal: string;
}

/** Selects containers of a list call. An absent field selects all. */
export interface ContainerFilter {
  id?: string | undefined;
  state?: ContainerState | undefined;
  podSandboxId?: string | undefined;
  labelSelector?: Labels | undefined;
}
