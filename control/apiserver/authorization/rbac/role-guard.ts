/**
 * Escalation prevention for writes of roles and bindings. A user may write into a role only rules that they have, unless they may
 * `escalate` it. A binding may refer only to a role whose rules the user has, unless they may `bind` it.
 *
 * Source: kubernetes `pkg/registry/rbac/{escalation_check,helpers}.go`, `pkg/registry/rbac/*&#47;policybased/storage.go`.
 */
import type { KubeObject } from '#api/meta.ts';
import { forbidden, notFound, unknownError } from '#api/status.ts';
import type { ClusterRole, PolicyRule, Role, RoleRef } from '#api/types.generated.ts';
import type { RequestContext, UserInfo } from '../../registry/strategy.ts';
import { semanticEqual } from '../../validation/semantic-equal.ts';
import type { AuthorizationAttributes, Authorizer } from '../authorization.ts';
import { isPrivileged } from '../authorization.ts';
import { escalation } from './escalation.ts';
import { rulesOf } from './rbac-authorizer.ts';
import type { Binding, RoleIndex } from './role-index.ts';

const group = 'rbac.authorization.k8s.io';

const fullAuthority: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/**
 * Prevents users from granting rights that they do not have (escalation). Source: kubernetes.io, RBAC, privilege escalation prevention.
 * @throws (its methods) ApiError 403
 */
export class RoleGuard {
  readonly #authorizer: Authorizer;
  readonly #index: RoleIndex;

  constructor(authorizer: Authorizer, index: RoleIndex) {
    this.#authorizer = authorizer;
    this.#index = index;
  }

  /** @param role as it will be stored @throws ApiError 403 */
  async checkRole(
    plural: 'roles' | 'clusterroles',
    role: Role | ClusterRole,
    old: Role | ClusterRole | undefined,
    { user }: Pick<RequestContext, 'user'>,
  ): Promise<void> {
    const { name, namespace = '' } = role.metadata;
    const target = { plural, name: old === undefined ? '' : name, namespace };
    if (isPrivileged(user) || (await this.#may(user, 'escalate', target)) || isForCollectorOnly(role, old)) return;
    this.#checkRules(user, namespace, role.rules ?? [], { plural, name });
    if (!aggregates(role) && !aggregates(old)) return;
    const { rules, errors } = rulesOf(this.#index, user, namespace);
    if (escalation(user, rules, errors, fullAuthority) !== undefined)
      throw forbidden({ group, name: plural }, name, 'must have cluster-admin privileges to use the aggregationRule');
  }

  /** @param binding as it will be stored @throws ApiError 403, 404 for a missing role */
  async checkBinding(
    plural: 'rolebindings' | 'clusterrolebindings',
    binding: Binding,
    old: Binding | undefined,
    { user }: Pick<RequestContext, 'user'>,
  ): Promise<void> {
    const { name, namespace = '' } = binding.metadata;
    const { roleRef } = binding;
    if (isPrivileged(user) || isForCollectorOnly(binding, old)) return;
    const rolePlural = pluralOf(roleRef);
    const target = { plural: rolePlural ?? '', name: roleRef.name, namespace, group: roleRef.apiGroup };
    if (rolePlural !== undefined && (await this.#may(user, 'bind', target))) return;
    this.#checkRules(user, namespace, this.#rulesOfRole(roleRef, namespace), { plural, name });
  }

  /** @throws ApiError 404; 500 for an unknown kind of role, as upstream, because validation comes later */
  #rulesOfRole(roleRef: RoleRef, namespace: string): readonly PolicyRule[] {
    const plural = pluralOf(roleRef);
    if (plural === undefined) throw unknownError(`unsupported role reference kind: ${JSON.stringify(roleRef.kind)}`);
    const rules = this.#index.roleRules(roleRef, namespace);
    if (rules === undefined) throw notFound({ group, name: plural }, roleRef.name);
    return rules;
  }

  #checkRules(
    user: UserInfo,
    namespace: string,
    wanted: readonly PolicyRule[],
    { plural, name }: { plural: string; name: string },
  ): void {
    const { rules, errors } = rulesOf(this.#index, user, namespace);
    const why = escalation(user, rules, errors, wanted);
    if (why !== undefined) throw forbidden({ group, name: plural }, name, why);
  }

  async #may(
    user: UserInfo,
    verb: string,
    target: { plural: string; name: string; namespace: string; group?: string | undefined },
  ): Promise<boolean> {
    const attributes: AuthorizationAttributes = {
      user,
      verb,
      isResource: true,
      group: target.group ?? group,
      version: '*',
      resource: target.plural,
      subresource: '',
      namespace: target.namespace,
      name: target.name,
      path: '',
    };
    return (await this.#authorizer.authorize(attributes)).allowed;
  }
}

function pluralOf({ kind }: RoleRef): string | undefined {
  if (kind === 'Role') return 'roles';
  return kind === 'ClusterRole' ? 'clusterroles' : undefined;
}

const aggregates = (role: Role | ClusterRole | undefined): boolean =>
  role !== undefined && 'aggregationRule' in role && (role.aggregationRule?.clusterRoleSelectors ?? []).length > 0;

/** Whether the update changes only finalizers and owner references, as the garbage collector does. Such updates need no check. */
function isForCollectorOnly(object: KubeObject, old: KubeObject | undefined): boolean {
  return old !== undefined && semanticEqual(withoutCollectorFields(object), withoutCollectorFields(old));
}

function withoutCollectorFields({ metadata, ...rest }: KubeObject): unknown {
  const { ownerReferences: _owners, finalizers: _finalizers, managedFields: _managed, ...kept } = metadata;
  return { ...rest, metadata: kept };
}
