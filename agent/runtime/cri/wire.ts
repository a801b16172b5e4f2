/**
 * The replies of CRI as proto-loader decodes them: the messages of `proto/cri.proto`, before {@link file://./convert.ts} converts
 * them. Times are in nanoseconds.
 */
import type {
  ContainerMetadata,
  ContainerState,
  Labels,
  LinuxContainerResources,
  Mount,
  NamespaceOption,
  PodSandboxMetadata,
  PodSandboxState,
} from '../types.ts';

/** UInt64Value, Int64Value and the like: a number that may be absent. */
export interface Wrapped {
  value: number;
}

/** PodSandbox. */
export interface WirePodSandbox {
  id: string;
  metadata: PodSandboxMetadata | null;
  state: PodSandboxState;
  createdAt: number;
  labels: Labels;
  annotations: Labels;
  runtimeHandler: string;
}

/** PodSandboxStatus. */
export interface WirePodSandboxStatus extends WirePodSandbox {
  network: { ip: string; additionalIps: { ip: string }[] } | null;
  linux: { namespaces: { options: NamespaceOption | null } | null } | null;
}

/** Container. */
export interface WireContainer {
  id: string;
  podSandboxId: string;
  metadata: ContainerMetadata | null;
  image: { image: string } | null;
  imageRef: string;
  imageId: string;
  state: ContainerState;
  createdAt: number;
  labels: Labels;
  annotations: Labels;
}

/** ContainerStatus. */
export interface WireContainerStatus {
  id: string;
  metadata: ContainerMetadata | null;
  state: ContainerState;
  createdAt: number;
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  image: { image: string } | null;
  imageRef: string;
  imageId: string;
  reason: string;
  message: string;
  labels: Labels;
  annotations: Labels;
  mounts: Mount[];
  logPath: string;
  resources: { linux: LinuxContainerResources | null } | null;
  user: { linux: { uid: number; gid: number; supplementalGroups: number[] } | null } | null;
  stopSignal: string;
}

/** Image. */
export interface WireImage {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  size: number;
  uid: Wrapped | null;
  username: string;
  pinned: boolean;
}

/** FilesystemUsage. */
export interface WireFilesystemUsage {
  timestamp: number;
  fsId: { mountpoint: string } | null;
  usedBytes: Wrapped | null;
  inodesUsed: Wrapped | null;
}

/** CpuUsage. */
export interface WireCpuUsage {
  timestamp: number;
  usageCoreNanoSeconds: Wrapped | null;
  usageNanoCores: Wrapped | null;
}

/** MemoryUsage. */
export interface WireMemoryUsage {
  timestamp: number;
  workingSetBytes: Wrapped | null;
  availableBytes: Wrapped | null;
  usageBytes: Wrapped | null;
  rssBytes: Wrapped | null;
  pageFaults: Wrapped | null;
  majorPageFaults: Wrapped | null;
}

/** ContainerStats. */
export interface WireContainerStats {
  attributes: { id: string; metadata: ContainerMetadata | null; labels: Labels; annotations: Labels } | null;
  cpu: WireCpuUsage | null;
  memory: WireMemoryUsage | null;
  writableLayer: WireFilesystemUsage | null;
}

/** NetworkInterfaceUsage. */
export interface WireInterfaceUsage {
  name: string;
  rxBytes: Wrapped | null;
  rxErrors: Wrapped | null;
  txBytes: Wrapped | null;
  txErrors: Wrapped | null;
}

/** PodSandboxStats. */
export interface WirePodSandboxStats {
  attributes: { id: string; metadata: PodSandboxMetadata | null; labels: Labels; annotations: Labels } | null;
  linux: {
    cpu: WireCpuUsage | null;
    memory: WireMemoryUsage | null;
    network: { timestamp: number; defaultInterface: WireInterfaceUsage | null; interfaces: WireInterfaceUsage[] } | null;
    process: { processCount: Wrapped | null } | null;
    containers: WireContainerStats[];
  } | null;
}
