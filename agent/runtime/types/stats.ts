/** Statistics: the messages of ContainerStats and PodSandboxStats. Source: kubernetes cri-api, pkg/apis/runtime/v1. */
import type { ContainerMetadata } from './containers.ts';
import type { FilesystemUsage } from './images.ts';
import type { PodSandboxMetadata } from './pod-sandboxes.ts';
import type { Labels } from './shared.ts';

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
