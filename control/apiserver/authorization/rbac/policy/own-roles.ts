/**
 * Roles that upstream's API server does not create: those of kubeadm, for administrators and for machines that join with a bootstrap token,
 * and our own, for the components of our agents that upstream's kubelet does not have.
 *
 * Source: kubeadm `app/phases/kubeconfig` (`kubeadm:cluster-admins`), `app/phases/bootstraptoken/node/tlsbootstrap.go`.
 */
import { agentUsers, partAccounts } from '#api/agent-users.ts';
import { defaultNodeTokenGroup } from '#api/bootstrap-token.ts';
import { localPathAccount } from '#api/storage/local-path.ts';
import { events, type RuleText } from './policy-text.ts';

const localPathRole = 'tinkernetes:local-path-provisioner';

/** By name, in the form of `policy-text.ts`. */
export const ownClusterRoles: Readonly<Record<string, readonly RuleText[]>> = {
  // To check whether a node name is free.
  'kubeadm:get-nodes': ['get core nodes'],
  // Nothing is created with this rule: the approver asks for it with an access review to know which requests it may approve.
  'tinkernetes:agentclient': ['create certificates.k8s.io certificatesigningrequests/agentclient'],
  'tinkernetes:selfagentclient': ['create certificates.k8s.io certificatesigningrequests/selfagentclient'],
  // For routes to all nodes.
  [agentUsers.network]: ['list,watch core nodes', events],
  // Network policies select pods and namespaces of the whole cluster by labels.
  [agentUsers.networkPolicy]: ['list,watch networking.k8s.io networkpolicies', 'list,watch core namespaces,pods', events],
  // To set the Node as owner of its slice.
  [agentUsers.dns]: [
    'list,watch core namespaces,services',
    'read core nodes',
    'list,watch discovery.k8s.io endpointslices',
    events,
  ],
  // It asks nodes to remove folders by an annotation of the Node.
  [localPathRole]: [
    'create,delete,get,list,update,watch core persistentvolumes',
    'get,list,update,watch core persistentvolumeclaims',
    'update core persistentvolumeclaims/status',
    'list,watch storage.k8s.io storageclasses',
    'list,patch,watch core nodes',
    events,
  ],
};

const joining = `group ${defaultNodeTokenGroup}`;
const agents = Object.values(agentUsers).map((user) => `user ${user}`);
/** A component is a user of its own in `tinker agent`, and a service account when it runs as a DaemonSet. */
const partSubjects = (part: keyof typeof partAccounts): string[] => [`user ${agentUsers[part]}`, `account ${partAccounts[part]}`];
const bound = (name: string, role: string, ...subjects: string[]) => ({ [name]: { role, subjects } });

/** Role and subjects, by name. Subjects as in `policy-text.ts`. */
export const ownClusterRoleBindings: Readonly<Record<string, { role: string; subjects: readonly string[] }>> = {
  [agentUsers.network]: { role: agentUsers.network, subjects: partSubjects('network') },
  [agentUsers.networkPolicy]: {
    role: agentUsers.networkPolicy,
    subjects: [`user ${agentUsers.networkPolicy}`, `account ${partAccounts.network}`],
  },
  [agentUsers.dns]: { role: agentUsers.dns, subjects: partSubjects('dns') },
  [localPathRole]: { role: localPathRole, subjects: [`account kube-system/${localPathAccount}`] },
  ...bound('tinkernetes:agentclient', 'tinkernetes:agentclient', joining),
  ...bound('tinkernetes:selfagentclient', 'tinkernetes:selfagentclient', ...agents),
  ...bound('tinkernetes:agent-bootstrapper', 'system:node-bootstrapper', ...agents),
  ...bound(
    'tinkernetes:agentclient-approver',
    'system:certificates.k8s.io:kube-apiserver-client-approver',
    'account kube-system/certificate-controller',
  ),
  ...bound('kubeadm:get-nodes', 'kubeadm:get-nodes', joining),
  ...bound('kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', joining),
  ...bound('kubeadm:node-autoapprove-bootstrap', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient', joining),
  ...bound(
    'kubeadm:node-autoapprove-certificate-rotation',
    'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    'group system:nodes',
  ),
  'kubeadm:cluster-admins': { role: 'cluster-admin', subjects: ['group kubeadm:cluster-admins'] },
};

/** By `namespace/name`: every node publishes its DNS server behind the Service `kube-dns`. */
export const ownRoles: Readonly<Record<string, readonly RuleText[]>> = {
  [`kube-system/${agentUsers.dns}`]: ['create core services', 'create,get,update discovery.k8s.io endpointslices'],
};

/** By `namespace/name`; the role is of the same name. */
export const ownRoleBindings: Readonly<Record<string, { role?: string; subjects: readonly string[] }>> = {
  [`kube-system/${agentUsers.dns}`]: { subjects: partSubjects('dns') },
};
