/**
 * Roles that upstream does not have: of the parts of our agents that are no part of upstream's node, and kubeadm's group of administrators.
 *
 * Source: kubeadm `cmd/kubeadm/app/phases/kubeconfig` (`kubeadm:cluster-admins`).
 */
import { agentUsers } from '#api/agent-users.ts';
import { localPathAccount } from '#api/storage/local-path.ts';
import { events, type RuleText } from './policy-text.ts';

const localPathRole = 'tinkernetes:local-path-provisioner';

/** By name, in the form of `policy-text.ts`. */
export const ownClusterRoles: Readonly<Record<string, readonly RuleText[]>> = {
  // Routes lead to all nodes.
  [agentUsers.network]: ['list,watch core nodes', events],
  // The Node is the owner of its slice.
  [agentUsers.dns]: [
    'list,watch core namespaces,services',
    'read core nodes',
    'list,watch discovery.k8s.io endpointslices',
    events,
  ],
  // It asks nodes to remove folders by an annotation of theirs.
  [localPathRole]: [
    'create,delete,get,list,update,watch core persistentvolumes',
    'get,list,update,watch core persistentvolumeclaims',
    'update core persistentvolumeclaims/status',
    'list,watch storage.k8s.io storageclasses',
    'list,patch,watch core nodes',
    events,
  ],
};

/** By name: the role, and to whom it is bound. Subjects as in `policy-text.ts`. */
export const ownClusterRoleBindings: Readonly<Record<string, { role: string; subjects: readonly string[] }>> = {
  [agentUsers.network]: { role: agentUsers.network, subjects: [`user ${agentUsers.network}`] },
  [agentUsers.dns]: { role: agentUsers.dns, subjects: [`user ${agentUsers.dns}`] },
  [localPathRole]: { role: localPathRole, subjects: [`account kube-system/${localPathAccount}`] },
  'kubeadm:cluster-admins': { role: 'cluster-admin', subjects: ['group kubeadm:cluster-admins'] },
};

/** By `namespace/name`: every node publishes its DNS server behind the Service `kube-dns`. */
export const ownRoles: Readonly<Record<string, readonly RuleText[]>> = {
  [`kube-system/${agentUsers.dns}`]: ['create core services', 'create,get,update discovery.k8s.io endpointslices'],
};

/** By `namespace/name`; the role is of the same name. */
export const ownRoleBindings: Readonly<Record<string, { role?: string; subjects: readonly string[] }>> = {
  [`kube-system/${agentUsers.dns}`]: { subjects: [`user ${agentUsers.dns}`] },
};
