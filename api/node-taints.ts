/** Keys of taints that several parts set or tolerate. Source: kubernetes.io, Well-known labels, annotations and taints. */

/** Of a node whose Ready condition is False. */
export const notReadyTaint = 'node.kubernetes.io/not-ready';
/** Of a node whose Ready condition is Unknown: its kubelet does not report. */
export const unreachableTaint = 'node.kubernetes.io/unreachable';
/** Of a node with `spec.unschedulable` (kubectl cordon). */
export const unschedulableTaint = 'node.kubernetes.io/unschedulable';
/** Of a node that is short of memory. */
export const memoryPressureTaint = 'node.kubernetes.io/memory-pressure';
/** Of a node that is short of disk. */
export const diskPressureTaint = 'node.kubernetes.io/disk-pressure';
/** Of a node that is short of process IDs. */
export const pidPressureTaint = 'node.kubernetes.io/pid-pressure';
/** Of a node whose network is not set up. */
export const networkUnavailableTaint = 'node.kubernetes.io/network-unavailable';
/** Set by an administrator on a node that is off for certain: its pods are deleted at once. */
export const outOfServiceTaint = 'node.kubernetes.io/out-of-service';
