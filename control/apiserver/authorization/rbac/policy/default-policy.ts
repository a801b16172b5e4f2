/**
 * The default roles and bindings of every cluster.
 *
 * Source: kubernetes.io, Using RBAC Authorization, "Default roles and role bindings", "Auto-reconciliation".
 */
import type { New } from '#api/meta.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '#api/types.generated.ts';
import { aggregatedRoles, clusterRoleBindings, clusterRoles, givingRoles } from './cluster-roles.ts';
import { controllerRoles } from './controller-roles.ts';
import { namespaceRoleBindings, namespaceRoles } from './namespace-roles.ts';
import { ownClusterRoleBindings, ownClusterRoles, ownRoleBindings, ownRoles } from './own-roles.ts';
import { type RuleText, ruleOf, subjectOf } from './policy-text.ts';

/** Roles and bindings that every cluster has. */
export interface RbacPolicy {
  clusterRoles: New<ClusterRole>[];
  clusterRoleBindings: New<ClusterRoleBinding>[];
  roles: New<Role>[];
  roleBindings: New<RoleBinding>[];
}

const apiVersion = 'rbac.authorization.k8s.io/v1';
const apiGroup = 'rbac.authorization.k8s.io';

/** `true`: the server adds what is missing in the role or binding when it starts. */
export const autoUpdateAnnotation = 'rbac.authorization.kubernetes.io/autoupdate';
const aggregateTo = (name: string): string => `rbac.authorization.k8s.io/aggregate-to-${name}`;

function metadata(name: string, labels: Record<string, string> = {}) {
  return {
    name,
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    annotations: { [autoUpdateAnnotation]: 'true' },
  };
}

/** `namespace/name` */
function namespaced(key: string) {
  const slash = key.indexOf('/');
  return { ...metadata(key.slice(slash + 1)), namespace: key.slice(0, slash) };
}

const rulesOf = (texts: readonly RuleText[]): PolicyRule[] => texts.map(ruleOf);
const givesTo = (name: string | undefined): Record<string, string> => (name === undefined ? {} : { [aggregateTo(name)]: 'true' });

/** All of them as new objects. Source: upstream `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`. */
export function defaultPolicy(): RbacPolicy {
  const controllers = Object.entries(controllerRoles).map(([name, rules]) => ({
    name: `system:controller:${name}`,
    rules,
    account: name,
  }));
  return {
    clusterRoles: [
      ...Object.entries({ ...clusterRoles, ...ownClusterRoles }).map(([name, rules]) => clusterRole(name, rules)),
      ...Object.entries(aggregatedRoles).map(([name, role]) => ({
        apiVersion,
        kind: 'ClusterRole',
        metadata: metadata(name, givesTo(role.givesTo)),
        aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(name)]: 'true' } }] },
      })),
      ...controllers.map(({ name, rules }) => clusterRole(name, rules)),
    ],
    clusterRoleBindings: [
      ...Object.entries(clusterRoleBindings).map(([name, subjects]) => clusterRoleBinding(name, subjects)),
      ...controllers.map(({ name, account }) => clusterRoleBinding(name, [`account kube-system/${account}`])),
      ...Object.entries(ownClusterRoleBindings).map(([name, { role, subjects }]) => clusterRoleBinding(name, subjects, role)),
    ],
    roles: Object.entries({ ...namespaceRoles, ...ownRoles }).map(([key, rules]) => ({
      apiVersion,
      kind: 'Role',
      metadata: namespaced(key),
      rules: rulesOf(rules),
    })),
    roleBindings: Object.entries({ ...namespaceRoleBindings, ...ownRoleBindings }).map(([key, { role, subjects }]) => ({
      apiVersion,
      kind: 'RoleBinding',
      metadata: namespaced(key),
      roleRef: { apiGroup, kind: 'Role', name: role ?? namespaced(key).name },
      subjects: subjects.map(subjectOf),
    })),
  };
}

function clusterRole(name: string, rules: readonly RuleText[]): New<ClusterRole> {
  return {
    apiVersion,
    kind: 'ClusterRole',
    metadata: metadata(name, givesTo(givingRoles[name]?.givesTo)),
    rules: rulesOf(rules),
  };
}

function clusterRoleBinding(name: string, subjects: readonly string[], role = name): New<ClusterRoleBinding> {
  return {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: metadata(name),
    roleRef: { apiGroup, kind: 'ClusterRole', name: role },
    ...(subjects.length === 0 ? {} : { subjects: subjects.map(subjectOf) }),
  };
}
