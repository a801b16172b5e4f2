/** The replies of CRI as proto-loader decodes them: the shape of `proto/cri.proto` before {@link file://./convert.ts}. */
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

export interface Wrapped {
  value: number;
}

export interface WirePodSandbox {
  id: string;
  metadata: PodSandboxMetadata | null;
  state: PodSandboxState;
  createdAt: number;
  labels: Labels;
  annotations: Labels;
  runtimeHandler: string;
}

export interface WirePodSandboxStatus extends WirePodSandbox {
  network: { ip: string; additionalIps: { ip: string }[] } | null;
  linux: { namespaces: { options: NamespaceOption | null } | null } | null;
}

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

export interface WireImage {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  size: number;
  uid: Wrapped | null;
  username: string;
  pinned: boolean;
}

export interface WireFilesystemUsage {
  timestamp: number;
  fsId: { mountpoint: string } | null;
  usedBytes: Wrapped | null;
  inodesUsed: Wrapped | null;
}

export interface WireCpuUsage {
  timestamp: number;
  usageCoreNanoSeconds: Wrapped | null;
  usageNanoCores: Wrapped | null;
}

export interface WireMemoryUsage {
  timestamp: number;
  workingSetBytes: Wrapped | null;
  availableBytes: Wrapped | null;
  usageBytes: Wrapped | null;
  rssBytes: Wrapped | null;
  pageFaults: Wrapped | null;
  majorPageFaults: Wrapped | null;
}

export interface WireContainerStats {
  attributes: { id: string; metadata: ContainerMetadata | null; labels: Labels; annotations: Labels } | null;
  cpu: WireCpuUsage | null;
  memory: WireMemoryUsage | null;
  writableLayer: WireFilesystemUsage | null;
}

export interface WireInterfaceUsage {
  name: string;
  rxBytes: Wrapped | null;
  rxErrors: Wrapped | null;
  txBytes: Wrapped | null;
  txErrors: Wrapped | null;
}

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
