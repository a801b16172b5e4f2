/** Events, version and status of the runtime. Source: kubernetes cri-api, pkg/apis/runtime/v1. */

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
