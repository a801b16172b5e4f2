/** Keys of taints that several parts set or tolerate. Source: kubernetes.io, Well-known labels, annotations and taints. */

/** Set on a node whose Ready condition is False. */
export const notReadyTaint = 'node.kubernetes.io/not-ready';
/** Set on a node whose Ready condition is Unknown, because its kubelet does not report. */
export const unreachableTaint = 'node.kubernetes.io/unreachable';
/** Set on a node with `spec.unschedulable` (kubectl cordon). */
export const unschedulableTaint = 'node.kubernetes.io/unschedulable';
/** Set on a node with condition MemoryPressure. */
export const memoryPressureTaint = 'node.kubernetes.io/memory-pressure';
/** Set on a node with condition DiskPressure. */
export const diskPressureTaint = 'node.kubernetes.io/disk-pressure';
/** Set on a node with condition PIDPressure. */
export const pidPressureTaint = 'node.kubernetes.io/pid-pressure';
/** Set on a node whose network is not configured. */
export const networkUnavailableTaint = 'node.kubernetes.io/network-unavailable';
/** Set by an administrator on a node that is off for certain: its pods are deleted at once. */
export const outOfServiceTaint = 'node.kubernetes.io/out-of-service';
