/** Labels of Nodes that several parts read. Source: kubernetes.io, Well-known labels, annotations and taints. */

/** The host's name, as its kubelet knows it. */
export const hostnameLabel = 'kubernetes.io/hostname';
/** The operating system of the node, as Go names it (`linux`). */
export const osLabel = 'kubernetes.io/os';
/** The architecture of the node, as Go names it (`amd64`, `arm64`). */
export const archLabel = 'kubernetes.io/arch';
/** The failure zone of the node. */
export const zoneLabel = 'topology.kubernetes.io/zone';
/** The region of the node. */
export const regionLabel = 'topology.kubernetes.io/region';
/** Names of {@link zoneLabel} and {@link regionLabel} before Kubernetes 1.17. */
export const legacyZoneLabel = 'failure-domain.beta.kubernetes.io/zone';
/** See {@link legacyZoneLabel}. */
export const legacyRegionLabel = 'failure-domain.beta.kubernetes.io/region';
/** The kind of machine that the node is (cloud providers set it). */
export const instanceTypeLabel = 'node.kubernetes.io/instance-type';
/** Marks a node that runs the control plane, and is the key of its taint. */
export const controlPlaneRoleLabel = 'node-role.kubernetes.io/control-plane';
