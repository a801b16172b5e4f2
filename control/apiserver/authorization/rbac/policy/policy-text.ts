/**
 * The text form of the default roles: each rule is one line.
 *
 *   <verbs> <API groups> <resources> [<names>]     read core,events.k8s.io events
 *   <verbs> <paths>                                get /healthz,/livez
 *
 * `core` is the API group ''. Lists are sorted, as upstream stores them.
 */
import type { PolicyRule, Subject } from '#api/types.generated.ts';

/** A rule as one line: verbs, API groups, resources, and resource names; `core` is the API group ''. */
export type RuleText = string;

const verbSets: Readonly<Record<string, readonly string[]>> = {
  read: ['get', 'list', 'watch'],
  write: ['create', 'delete', 'deletecollection', 'patch', 'update'],
  'read-update': ['get', 'list', 'patch', 'update', 'watch'],
  'read-write': ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
};

/** The rule for recording events. */
export const events: RuleText = 'create,patch,update core,events.k8s.io events';

/** The rule of a line. */
export function ruleOf(text: RuleText): PolicyRule {
  const [verbText = '', ...targets] = text.split(' ');
  const verbs = [...(verbSets[verbText] ?? verbText.split(','))];
  const [first = [], resources = [], resourceNames] = targets.map((target) => target.split(','));
  if (targets.length === 1) return { verbs, nonResourceURLs: first };
  const apiGroups = first.map((group) => (group === 'core' ? '' : group));
  return { verbs, apiGroups, resources, ...(resourceNames === undefined ? {} : { resourceNames }) };
}

/** `user x`, `group x`, `account namespace/x`. */
export function subjectOf(text: string): Subject {
  const [kind = '', name = ''] = text.split(' ');
  if (kind === 'account') {
    const [namespace = '', account = ''] = name.split('/');
    return { kind: 'ServiceAccount', name: account, namespace };
  }
  return { apiGroup: 'rbac.authorization.k8s.io', kind: kind === 'user' ? 'User' : 'Group', name };
}
