/** Pod sandboxes: the messages of RunPodSandbox, PodSandboxStatus and ListPodSandbox. Source: kubernetes cri-api, pkg/apis/runtime/v1. */
import type {
  Labels,
  LinuxContainerResources,
  NamespaceOption,
  SecurityProfile,
  SeLinuxOption,
  SupplementalGroupsPolicy,
} from './shared.ts';

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
