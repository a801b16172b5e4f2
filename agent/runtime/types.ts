/**
 * The messages of CRI v1 as TypeScript types: the kubelet speaks these, and each runtime adapter translates them.
 *
 * Differences from the wire (`proto/cri.proto`): names in camelCase, enums as string unions with CRI's own values, wrapped
 * numbers unwrapped, absent messages `undefined`, and times as milliseconds since the epoch (`…AtMs`, `timestampMs`) with a
 * fraction where the runtime knows more than a millisecond; 0 stands for "not yet".
 *
 * Source: kubernetes cri-api, pkg/apis/runtime/v1.
 */

export type Labels = Readonly<Record<string, string>>;

/** `POD`: shared by the pod's containers; `CONTAINER`: the container's own; `NODE`: the node's; `TARGET`: of `targetId`. */
export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';

export interface NamespaceOption {
  network: NamespaceMode;
  pid: NamespaceMode;
  ipc: NamespaceMode;
  /** The container whose PID namespace is joined, with `pid: 'TARGET'` (ephemeral containers). */
  targetId?: string | undefined;
}

export type SecurityProfileType = 'RuntimeDefault' | 'Unconfined' | 'Localhost';

export interface SecurityProfile {
  profileType: SecurityProfileType;
  /** Absolute path of the seccomp profile, or name of the loaded AppArmor profile, with `Localhost`. */
  localhostRef?: string | undefined;
}

export interface SeLinuxOption {
  user?: string | undefined;
  role?: string | undefined;
  type?: string | undefined;
  level?: string | undefined;
}

export type SupplementalGroupsPolicy = 'Merge' | 'Strict';

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
  /** cgroup v2 settings by file name. */
  unified?: Readonly<Record<string, string>> | undefined;
}

export interface Capability {
  /** Names without `CAP_`; `ALL` stands for every one. */
  addCapabilities?: readonly string[] | undefined;
  dropCapabilities?: readonly string[] | undefined;
}

/* ------------------------------------------------------------------ pod sandboxes */

export interface PodSandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  /** Counts the pod's sandboxes, from 0. */
  attempt: number;
}

export interface DnsConfig {
  servers?: readonly string[] | undefined;
  searches?: readonly string[] | undefined;
  options?: readonly string[] | undefined;
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

export interface PortMapping {
  protocol: Protocol;
  containerPort: number;
  /** 0: not mapped. */
  hostPort: number;
  hostIp?: string | undefined;
}

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

export interface PodSandboxConfig {
  metadata: PodSandboxMetadata;
  /** Empty for a pod on the node's network. */
  hostname?: string | undefined;
  /** Directory the containers' `logPath` is relative to: `/var/log/pods/<namespace>_<name>_<uid>`. Must exist. */
  logDirectory?: string | undefined;
  dnsConfig?: DnsConfig | undefined;
  portMappings?: readonly PortMapping[] | undefined;
  labels?: Labels | undefined;
  annotations?: Labels | undefined;
  linux?:
    | {
        /** cgroup the sandbox and its containers live under, as `/kubepods/burstable/pod<uid>` (cgroupfs driver). */
        cgroupParent?: string | undefined;
        securityContext?: LinuxSandboxSecurityContext | undefined;
        sysctls?: Readonly<Record<string, string>> | undefined;
        overhead?: LinuxContainerResources | undefined;
        resources?: LinuxContainerResources | undefined;
      }
    | undefined;
}

export type PodSandboxState = 'SANDBOX_READY' | 'SANDBOX_NOTREADY';

/** A sandbox as the list call shows it. */
export interface PodSandbox {
  id: string;
  metadata: PodSandboxMetadata;
  state: PodSandboxState;
  createdAtMs: number;
  labels: Labels;
  annotations: Labels;
  runtimeHandler: string;
}

export interface PodSandboxStatus extends PodSandbox {
  /** `ip` is empty on the node's network, and once the sandbox is stopped. */
  network: { ip: string; additionalIps: readonly string[] };
  namespaceOptions: NamespaceOption;
}

export interface PodSandboxFilter {
  id?: string | undefined;
  state?: PodSandboxState | undefined;
  /** Every pair must be there. */
  labelSelector?: Labels | undefined;
}

/* ------------------------------------------------------------------ containers */

export interface ContainerMetadata {
  name: string;
  /** Counts the container's restarts, from 0. */
  attempt: number;
}

export interface ImageSpec {
  image: string;
  annotations?: Labels | undefined;
  userSpecifiedImage?: string | undefined;
  runtimeHandler?: string | undefined;
}

export type MountPropagation = 'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL';

export interface Mount {
  containerPath: string;
  /** Empty where an image is mounted. */
  hostPath: string;
  /** By its ID. Runtimes that cannot mount images do not know the field, and fail for want of a path. */
  image?: ImageSpec | undefined;
  /** Within the image; empty for all of it. */
  imageSubPath?: string | undefined;
  readonly?: boolean | undefined;
  selinuxRelabel?: boolean | undefined;
  propagation?: MountPropagation | undefined;
  recursiveReadOnly?: boolean | undefined;
}

export interface Device {
  containerPath: string;
  hostPath: string;
  /** Letters of `rwm`. */
  permissions: string;
}

export interface LinuxContainerSecurityContext {
  capabilities?: Capability | undefined;
  privileged?: boolean | undefined;
  namespaceOptions?: NamespaceOption | undefined;
  selinuxOptions?: SeLinuxOption | undefined;
  runAsUser?: number | undefined;
  runAsGroup?: number | undefined;
  /** Only where `runAsUser` is absent. */
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
  /** Relative to the sandbox's `logDirectory`. Empty: no log. */
  logPath?: string | undefined;
  stdin?: boolean | undefined;
  stdinOnce?: boolean | undefined;
  tty?: boolean | undefined;
  /** As `SIGTERM`; absent: the image's, else SIGTERM. */
  stopSignal?: string | undefined;
  linux?:
    | {
        resources?: LinuxContainerResources | undefined;
        securityContext?: LinuxContainerSecurityContext | undefined;
      }
    | undefined;
}

export type ContainerState = 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';

/** A container as the list call shows it. */
export interface Container {
  id: string;
  podSandboxId: string;
  metadata: ContainerMetadata;
  image: ImageSpec;
  /** Reference of the image in use; its ID where it has no digest. */
  imageRef: string;
  /** The image's ID on this node; empty where the runtime is older than the field. */
  imageId: string;
  state: ContainerState;
  createdAtMs: number;
  labels: Labels;
  annotations: Labels;
}

export interface ContainerStatus {
  id: string;
  metadata: ContainerMetadata;
  state: ContainerState;
  createdAtMs: number;
  /** 0: not started. */
  startedAtMs: number;
  /** 0: not finished. */
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
  /** Absolute. */
  logPath: string;
  resources?: LinuxContainerResources | undefined;
  user?: { uid: number; gid: number; supplementalGroups: readonly number[] } | undefined;
  /** As `SIGTERM`; empty where the runtime does not say. */
  stopSignal: string;
}

export interface ContainerFilter {
  id?: string | undefined;
  state?: ContainerState | undefined;
  podSandboxId?: string | undefined;
  labelSelector?: Labels | undefined;
}

/* ------------------------------------------------------------------ exec and streaming */

export interface ExecSyncResult {
  stdout: Buffer;
  stderr: Buffer;
  exitCode: number;
}

export interface ExecRequest {
  containerId: string;
  cmd: readonly string[];
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

export interface AttachRequest {
  containerId: string;
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/* ------------------------------------------------------------------ images */

export interface Image {
  id: string;
  repoTags: readonly string[];
  repoDigests: readonly string[];
  sizeBytes: number;
  /** The numeric user the image runs as, where it names one. */
  uid?: number | undefined;
  /** The user name the image runs as, where it names one and `uid` is absent. */
  username: string;
  pinned: boolean;
}

export interface AuthConfig {
  username?: string | undefined;
  password?: string | undefined;
  /** base64 of `username:password`. */
  auth?: string | undefined;
  serverAddress?: string | undefined;
  identityToken?: string | undefined;
  registryToken?: string | undefined;
}

export interface FilesystemUsage {
  timestampMs: number;
  mountpoint: string;
  usedBytes: number;
  inodesUsed: number;
}

export interface ImageFsInfo {
  imageFilesystems: readonly FilesystemUsage[];
  /** Empty where the writable layers share the image filesystem. */
  containerFilesystems: readonly FilesystemUsage[];
}

/* ------------------------------------------------------------------ stats */

export interface CpuUsage {
  timestampMs: number;
  /** CPU time used since the start, in nanoseconds. */
  usageCoreNanoSeconds: number;
  /** CPU in use now, in nanocores; absent where the runtime does not compute it. */
  usageNanoCores?: number | undefined;
}

export interface MemoryUsage {
  timestampMs: number;
  workingSetBytes: number;
  availableBytes?: number | undefined;
  usageBytes?: number | undefined;
  rssBytes?: number | undefined;
  pageFaults?: number | undefined;
  majorPageFaults?: number | undefined;
}

export interface ContainerStats {
  id: string;
  podSandboxId?: string | undefined;
  metadata: ContainerMetadata;
  labels: Labels;
  annotations: Labels;
  /** Absent for a container that does not run. */
  cpu?: CpuUsage | undefined;
  memory?: MemoryUsage | undefined;
  writableLayer?: FilesystemUsage | undefined;
}

export interface NetworkInterfaceUsage {
  name: string;
  rxBytes: number;
  rxErrors: number;
  txBytes: number;
  txErrors: number;
}

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

export interface ContainerStatsFilter {
  id?: string | undefined;
  podSandboxId?: string | undefined;
  labelSelector?: Labels | undefined;
}

export interface PodSandboxStatsFilter {
  id?: string | undefined;
  labelSelector?: Labels | undefined;
}

/* ------------------------------------------------------------------ events, status */

export type ContainerEventType =
  | 'CONTAINER_CREATED_EVENT'
  | 'CONTAINER_STARTED_EVENT'
  | 'CONTAINER_STOPPED_EVENT'
  | 'CONTAINER_DELETED_EVENT';

/** Something happened to a container or to a sandbox. Only a reason to look again: it carries no state. */
export interface ContainerEvent {
  /** Container ID, or sandbox ID for a sandbox's own process. */
  containerId: string;
  type: ContainerEventType;
  createdAtMs: number;
  /** Set where the runtime says it with the event (CRI GetContainerEvents, Docker's labels). */
  podSandboxId?: string | undefined;
  podUid?: string | undefined;
  /** The first process of what stopped, where the runtime says it with the event (containerd's own). */
  pid?: number | undefined;
}

export interface RuntimeVersion {
  /** Version of the kubelet runtime API: `0.1.0`. */
  version: string;
  /** `containerd` or `docker`; prefix of `status.containerStatuses[].containerID`. */
  runtimeName: string;
  runtimeVersion: string;
  /** `v1`. */
  runtimeApiVersion: string;
}

/** `RuntimeReady` and `NetworkReady` always are there. */
export interface RuntimeCondition {
  type: string;
  status: boolean;
  reason: string;
  message: string;
}

export interface RuntimeStatus {
  conditions: readonly RuntimeCondition[];
  handlers: readonly { name: string; recursiveReadOnlyMounts: boolean; userNamespaces: boolean }[];
  supplementalGroupsPolicy: boolean;
}

export type CgroupDriver = 'SYSTEMD' | 'CGROUPFS';
