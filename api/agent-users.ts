/**
 * The users that the parts of a node's agent are to the API server. The kubelet is `system:node:<name>`, in the group `system:nodes`; each
 * other part has a user of its own, with a role that holds no more than it needs.
 *
 * Source: kubernetes.io, Using RBAC Authorization (`system:kube-proxy`, `system:node-proxier`); the other parts are our own.
 */
export const agentUsers = {
  proxy: 'system:kube-proxy',
  network: 'tinkernetes:node-network',
  networkPolicy: 'tinkernetes:network-policy',
  dns: 'tinkernetes:cluster-dns',
} as const;

/** The service accounts, as `namespace/name`, that pod network and DNS are where each is a DaemonSet. */
export const partAccounts = { network: 'kube-system/tinkernetes-network', dns: 'kube-system/tinkernetes-dns' } as const;

/** The user that a node's kubelet is. */
export const kubeletUser = (nodeName: string): string => `system:node:${nodeName}`;

/** Name of the context in a node's kubeconfig (`tinker node-credentials`) under which its agent is this user. */
export const agentContext = (user: string): string => `${user}@kubernetes`;
