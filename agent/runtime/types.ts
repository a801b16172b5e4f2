/**
 * The messages of CRI v1 as TypeScript types. The kubelet uses these types, and each runtime adapter translates them.
 *
 * Differences from the wire (`proto/cri.proto`): names are camelCase, enums are string unions with CRI's own values, wrapped
 * numbers are unwrapped, absent messages are `undefined`. Times are milliseconds since the epoch (`…AtMs`, `timestampMs`), with a
 * fraction when the runtime knows more digits; 0 means "not yet".
 *
 * Source: kubernetes cri-api, pkg/apis/runtime/v1.
 */

/** Labels or annotations. */
export type Labels = Readonly<Record<string, string>>;

/**
 * Which processes share a namespace. `POD`: the pod's containers; `CONTAINER`: only the container itself; `NODE`: all of the
 * node; `TARGET`: the container `targetId`.
 */
export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';

/** The modes of a container's namespaces. */
export interface NamespaceOption {
  network: NamespaceMode;
  pid: NamespaceMode;
  ipc: NamespaceMode;
  /** With `pid: 'TARGET'`: the container whose PID namespace is joined (ephemeral containers). */
  targetId?: string | undefined;
}

/** The source of a seccomp or AppArmor profile. */
export type SecurityProfileType = 'RuntimeDefault' | 'Unconfined' | 'Localhost';

/** A seccomp or AppArmor profile. */
export interface SecurityProfile {
  profileType: SecurityProfileType;
  /** With `Localhost`: the absolute path of the seccomp profile, or the name of the loaded AppArmor profile. */
  localhostRef?: string | undefined;
}

/** An SELinux label. */
export interface SeLinuxOption {
  user?: string | undefined;
  role?: string | undefined;
  type?: string | undefined;
  level?: string | undefined;
}

/** Whether the groups of the image's /etc/group are added (`Merge`) or not (`Strict`). */
export type SupplementalGroupsPolicy = 'Merge' | 'Strict';

/** Resource limits of a container. An absent or 0 field is not set. */
export interface LinuxContainerResources {
  /** CFS period in microseconds; 0 or absent: the default of 100000. */
  cpuPeriod?: number | undefined;
  /** CFS quota in microseconds per period; 0 or absent: not limited. */
  cpuQuota?: number | undefined;
  cpuShares?: number | undefined;
  memoryLimitInBytes?: number | undefined;
  memorySwapLimitInBytes?: number | undefined;
  oomScoreAdj?: number | undefined;
  cpusetCpus?: string | undefined;
  cpusetMems?: string | undefined;
  hugepageLimits?: readonly { pageSize: string; limit: number }[] | undefined;
  /** cgroup v2 settings, by file name. */
  unified?: Readonly<Record<string, string>> | undefined;
}

/** Linux capabilities to add and to drop. */
export interface Capability {
  /** Names without `CAP_`. `ALL` means all capabilities. */
  addCapabilities?: readonly string[] | undefined;
  dropCapabilities?: readonly string[] | undefined;
}

/* ------------------------------------------------------------------ pod sandboxes */

/** Identifies a pod sandbox. */
export interface PodSandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  /** Counts the sandboxes of the pod, from 0. */
  attempt: number;
}

/** The content of the pod's resolv.conf. */
export interface DnsConfig {
  servers?: readonly string[] | undefined;
  searches?: readonly string[] | undefined;
  options?: readonly string[] | undefined;
}

/** The protocol of a port. */
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** A port of the pod that the node forwards. */
export interface PortMapping {
  protocol: Protocol;
  containerPort: number;
  /** 0: no host port. */
  hostPort: number;
  hostIp?: string | undefined;
}

/** Security settings of the sandbox container. */
export interface LinuxSandboxSecurityContext {
  namespaceOptions?: NamespaceOption | undefined;
  selinuxOptions?: SeLinuxOption | undefined;
  runAsUser?: number | undefined;
  runAsGroup?: number | undefined;
  readonlyRootfs?: boolean | undefined;
  supplementalGroups?: readonly number[] | undefined;
  supplementalGroupsPolicy?: SupplementalGroupsPolicy | undefined;
  privileged?: boolean | undefined;
  seccomp?: SecurityProfile | undefined;
  apparmor?: SecurityProfile | undefined;
}

/** The configuration of a pod sandbox. */
export interface PodSandboxConfig {
  metadata: PodSandboxMetadata;
  /** Host name of the pod. Empty for a pod on the node's network. */
  hostname?: string | undefined;
  /** Absolute directory of the containers' logs: `/var/log/pods/<namespace>_<name>_<uid>`. It must exist. */
  logDirectory?: string | undefined;
  dnsConfig?: DnsConfig | undefined;
  portMappings?: readonly PortMapping[] | undefined;
  labels?: Labels | undefined;
  annotations?: Labels | undefined;
  linux?:
    | {
        /** The parent cgroup of the sandbox and its containers, for example `/kubepods/burstable/pod<uid>` (cgroupfs driver). */
        cgroupParent?: string | undefined;
        securityContext?: LinuxSandboxSecurityContext | undefined;
        sysctls?: Readonly<Record<string, string>> | undefined;
        overhead?: LinuxContainerResources | undefined;
        resources?: LinuxContainerResources | undefined;
      }
    | undefined;
}

/** The state of a sandbox. */
export type PodSandboxState = 'SANDBOX_READY' | 'SANDBOX_NOTREADY';

/** A sandbox in the result of a list call. */
export interface PodSandbox {
  id: string;
  metadata: PodSandboxMetadata;
  state: PodSandboxState;
  createdAtMs: number;
  labels: Labels;
  annotations: Labels;
  runtimeHandler: string;
}

/** A sandbox in the result of a status call. */
export interface PodSandboxStatus extends PodSandbox {
  /** `ip` is empty on the node's network, and after the sandbox was stopped. */
  network: { ip: string; additionalIps: readonly string[] };
  namespaceOptions: NamespaceOption;
}

/** Selects sandboxes of a list call. An absent field selects all. */
export interface PodSandboxFilter {
  id?: string | undefined;
  state?: PodSandboxState | undefined;
  /** The labels must contain every pair. */
  labelSelector?: Labels | undefined;
}

/* ------------------------------------------------------------------ containers */

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

/* ------------------------------------------------------------------ exec and streaming */

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

/* ------------------------------------------------------------------ images */

/** An image on this node. */
export interface Image {
  id: string;
  repoTags: readonly string[];
  repoDigests: readonly string[];
  sizeBytes: number;
  /** The numeric user of the image, if it has one. */
  uid?: number | undefined;
  /** The user name of the image, if it has one and `uid` is absent. */
  username: string;
  pinned: boolean;
}

/** Credentials for a registry. */
export interface AuthConfig {
  username?: string | undefined;
  password?: string | undefined;
  /** `username:password` in base64. */
  auth?: string | undefined;
  serverAddress?: string | undefined;
  identityToken?: string | undefined;
  registryToken?: string | undefined;
}

/** The usage of a filesystem. */
export interface FilesystemUsage {
  timestampMs: number;
  mountpoint: string;
  usedBytes: number;
  inodesUsed: number;
}

/** The filesystems for images and for the writable layers of containers. */
export interface ImageFsInfo {
  imageFilesystems: readonly FilesystemUsage[];
  /** Empty when the writable layers are on the image filesystem. */
  containerFilesystems: readonly FilesystemUsage[];
}

/* ------------------------------------------------------------------ stats */

/** CPU usage. */
export interface CpuUsage {
  timestampMs: number;
  /** CPU time used since the start, in nanoseconds. */
  usageCoreNanoSeconds: number;
  /** Present CPU usage in nanocores. Absent when the runtime does not compute it. */
  usageNanoCores?: number | undefined;
}

/** Memory usage. */
export interface MemoryUsage {
  timestampMs: number;
  workingSetBytes: number;
  availableBytes?: number | undefined;
  usageBytes?: number | undefined;
  rssBytes?: number | undefined;
  pageFaults?: number | undefined;
  majorPageFaults?: number | undefined;
}

/** Statistics of a container. */
export interface ContainerStats {
  id: string;
  podSandboxId?: string | undefined;
  metadata: ContainerMetadata;
  labels: Labels;
  annotations: Labels;
  /** Absent when the container does not run. */
  cpu?: CpuUsage | undefined;
  memory?: MemoryUsage | undefined;
  writableLayer?: FilesystemUsage | undefined;
}

/** Counters of a network interface since its creation. */
export interface NetworkInterfaceUsage {
  name: string;
  rxBytes: number;
  rxErrors: number;
  txBytes: number;
  txErrors: number;
}

/** Statistics of a sandbox and its containers. */
export interface PodSandboxStats {
  id: string;
  metadata: PodSandboxMetadata;
  labels: Labels;
  annotations: Labels;
  cpu?: CpuUsage | undefined;
  memory?: MemoryUsage | undefined;
  network?:
    | { timestampMs: number; defaultInterface?: NetworkInterfaceUsage | undefined; interfaces: readonly NetworkInterfaceUsage[] }
    | undefined;
  processCount?: number | undefined;
  containers: readonly ContainerStats[];
}

/** Selects containers for statistics. An absent field selects all. */
export interface ContainerStatsFilter {
  id?: string | undefined;
  podSandboxId?: string | undefined;
  labelSelector?: Labels | undefined;
}

/** Selects sandboxes for statistics. An absent field selects all. */
export interface PodSandboxStatsFilter {
  id?: string | undefined;
  labelSelector?: Labels | undefined;
}

/* ------------------------------------------------------------------ events, status */

/** The type of a container event. */
export type ContainerEventType =
  | 'CONTAINER_CREATED_EVENT'
  | 'CONTAINER_STARTED_EVENT'
  | 'CONTAINER_STOPPED_EVENT'
  | 'CONTAINER_DELETED_EVENT';

/** An event of a container or sandbox. It carries no state: it is only a hint to read the status again. */
export interface ContainerEvent {
  /** Container ID; the sandbox ID when the event is about the sandbox's own process. */
  containerId: string;
  type: ContainerEventType;
  createdAtMs: number;
  /** Set when the runtime sends it with the event (CRI GetContainerEvents, Docker's labels). */
  podSandboxId?: string | undefined;
  podUid?: string | undefined;
  /** The first process of the container that stopped. Set when the runtime sends it with the event (containerd's own events). */
  pid?: number | undefined;
}

/** Name and versions of the runtime. */
export interface RuntimeVersion {
  /** Version of the kubelet runtime API, `0.1.0`. */
  version: string;
  /** `containerd` or `docker`. It is the prefix of `status.containerStatuses[].containerID`. */
  runtimeName: string;
  runtimeVersion: string;
  /** Version of CRI, `v1`. */
  runtimeApiVersion: string;
}

/** A condition of the runtime. `RuntimeReady` and `NetworkReady` are always present. */
export interface RuntimeCondition {
  type: string;
  status: boolean;
  reason: string;
  message: string;
}

/** The status of the runtime. */
export interface RuntimeStatus {
  conditions: readonly RuntimeCondition[];
  handlers: readonly { name: string; recursiveReadOnlyMounts: boolean; userNamespaces: boolean }[];
  supplementalGroupsPolicy: boolean;
}

/** The cgroup driver of the runtime. */
export type CgroupDriver = 'SYSTEMD' | 'CGROUPFS';
