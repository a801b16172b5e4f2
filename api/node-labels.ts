/** Labels of Nodes that several parts read. Source: kubernetes.io, Well-known labels, annotations and taints. */
export const hostnameLabel = 'kubernetes.io/hostname';
export const osLabel = 'kubernetes.io/os';
export const archLabel = 'kubernetes.io/arch';
export const zoneLabel = 'topology.kubernetes.io/zone';
export const regionLabel = 'topology.kubernetes.io/region';
