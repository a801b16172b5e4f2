/**
 * RBAC: a request is allowed if a rule of a role that is bound to its user or groups matches it. There are no rules that deny.
 *
 * Source: kubernetes `plugin/pkg/auth/authorizer/rbac/rbac.go`, `pkg/registry/rbac/validation/rule.go`.
 */
import { notFound } from '#api/status.ts';
import type { PolicyRule, RoleRef, Subject } from '#api/types.generated.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import type { Authorizer, SubjectRules } from '../authorization.ts';
import { noOpinion } from '../authorization.ts';
import { aggregate } from './escalation.ts';
import type { AppliedBinding, RoleIndex } from './role-index.ts';
import { ruleAllows } from './rule-matching.ts';

/** The rules of a user, and the errors of roles that could not be resolved. */
export interface ResolvedRules {
  rules: readonly PolicyRule[];
  errors: readonly string[];
}

/** The rules of all bindings of a user: those of the cluster and, unless it is '', of this namespace. */
export function rulesOf(index: RoleIndex, user: UserInfo, namespace: string): ResolvedRules {
  const rules: PolicyRule[] = [];
  const errors: string[] = [];
  for (const { applied, scope } of bindingsFor(index, user, namespace)) {
    const found = index.roleRules(applied.binding.roleRef, scope);
    if (found === undefined) errors.push(unresolved(applied.binding.roleRef));
    else rules.push(...found);
  }
  return { rules, errors };
}

/** The error of a binding whose role cannot be resolved. */
export function unresolved({ kind, name }: RoleRef): string {
  if (kind !== 'Role' && kind !== 'ClusterRole') return `unsupported role reference kind: ${JSON.stringify(kind)}`;
  return notFound({ group: 'rbac.authorization.k8s.io', name: kind.toLowerCase() }, name).message;
}

function* bindingsFor(
  index: RoleIndex,
  user: UserInfo,
  namespace: string,
): Generator<{ applied: AppliedBinding; scope: string }> {
  for (const applied of index.bindingsOf(user, '')) yield { applied, scope: '' };
  if (namespace !== '') for (const applied of index.bindingsOf(user, namespace)) yield { applied, scope: namespace };
}

/** @param index the caller updates it with all changes of roles and bindings */
export function rbacAuthorizer(index: RoleIndex): Authorizer {
  return {
    authorize(attributes) {
      const errors: string[] = [];
      for (const { applied, scope } of bindingsFor(index, attributes.user, attributes.namespace)) {
        const rules = index.roleRules(applied.binding.roleRef, scope);
        if (rules === undefined) errors.push(unresolved(applied.binding.roleRef));
        else if (rules.some((rule) => ruleAllows(attributes, rule)))
          return { allowed: true, reason: `RBAC: allowed by ${described(applied, scope)}` };
      }
      return noOpinion(errors.length === 0 ? '' : `RBAC: ${aggregate(errors)}`);
    },
    rules: (user, namespace) => shown(rulesOf(index, user, namespace)),
  };
}

function shown({ rules, errors }: ResolvedRules): SubjectRules {
  return {
    resourceRules: rules.flatMap(({ verbs, apiGroups = [], resources = [], resourceNames = [] }) =>
      resources.length === 0 ? [] : [{ verbs, apiGroups, resources, ...(resourceNames.length === 0 ? {} : { resourceNames }) }],
    ),
    nonResourceRules: rules.flatMap(({ verbs, nonResourceURLs = [] }) =>
      nonResourceURLs.length === 0 ? [] : [{ verbs, nonResourceURLs }],
    ),
    incomplete: false,
    ...(errors.length === 0 ? {} : { evaluationError: aggregate(errors) }),
  };
}

/** Upstream writes the name before the namespace. */
function described({ binding: { metadata, roleRef }, subject }: AppliedBinding, namespace: string): string {
  const own = namespace === '' ? metadata.name : `${metadata.name}/${namespace}`;
  const kind = namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding';
  const role = `${roleRef.kind} ${JSON.stringify(roleRef.name)}`;
  return `${kind} ${JSON.stringify(own)} of ${role} to ${subjectText(subject, namespace)}`;
}

function subjectText({ kind, name, namespace }: Subject, bindingNamespace: string): string {
  const shownName = kind === 'ServiceAccount' ? `${name}/${namespace || bindingNamespace}` : name;
  return `${kind} ${JSON.stringify(shownName)}`;
}
