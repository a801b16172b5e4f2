/** What sandboxes and containers have in common: labels, namespaces, limits, security. Source: kubernetes cri-api, pkg/apis/runtime/v1. */

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
