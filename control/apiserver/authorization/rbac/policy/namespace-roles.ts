/**
 * Upstream's default Roles in system namespaces, and their bindings.
 *
 * Source: kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/namespace_policy.go`.
 */
import { events, type RuleText } from './policy-text.ts';

const leaderLocking: readonly RuleText[] = [
  'create,get,list,update,watch coordination.k8s.io leases',
  'create,get,list,update,watch coordination.k8s.io leasecandidates',
];

/** By `namespace/name`, in the form of `policy-text.ts`. */
export const namespaceRoles: Readonly<Record<string, readonly RuleText[]>> = {
  'kube-public/system:controller:bootstrap-signer': ['read core configmaps', 'update core configmaps cluster-info', events],
  'kube-system/extension-apiserver-authentication-reader': ['read core configmaps extension-apiserver-authentication'],
  'kube-system/system::leader-locking-kube-controller-manager': leaderLocking,
  'kube-system/system::leader-locking-kube-scheduler': leaderLocking,
  'kube-system/system:controller:bootstrap-signer': ['read core secrets'],
  'kube-system/system:controller:cloud-provider': ['create,get,list,watch core configmaps'],
  'kube-system/system:controller:token-cleaner': ['delete,get,list,watch core secrets', events],
};

const manager = 'user system:kube-controller-manager';
const scheduler = 'user system:kube-scheduler';

/** By `namespace/name`. The role has the same name unless `role` says otherwise. Subjects as in `policy-text.ts`. */
export const namespaceRoleBindings: Readonly<Record<string, { role?: string; subjects: readonly string[] }>> = {
  'kube-public/system:controller:bootstrap-signer': { subjects: ['account kube-system/bootstrap-signer'] },
  'kube-system/system::extension-apiserver-authentication-reader': {
    role: 'extension-apiserver-authentication-reader',
    subjects: [manager, scheduler],
  },
  'kube-system/system::leader-locking-kube-controller-manager': {
    subjects: [manager, 'account kube-system/kube-controller-manager', 'account kube-system/leader-election-controller'],
  },
  'kube-system/system::leader-locking-kube-scheduler': { subjects: [scheduler, 'account kube-system/kube-scheduler'] },
  'kube-system/system:controller:bootstrap-signer': { subjects: ['account kube-system/bootstrap-signer'] },
  'kube-system/system:controller:cloud-provider': { subjects: ['account kube-system/cloud-provider'] },
  'kube-system/system:controller:token-cleaner': { subjects: ['account kube-system/token-cleaner'] },
};
